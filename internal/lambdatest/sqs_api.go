package lambdatest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What SQS allows, beside the size of a message, which a batch may not exceed as a whole either.
const (
	maxDelay      = 15 * time.Minute
	maxVisibility = 12 * time.Hour
	maxBatch      = 10
	maxAttributes = 10
)

func (s *SQS) queue(url string) (*Queue, error) {
	if q := s.queues[url]; q != nil {
		return q, nil
	}
	return nil, &apiError{"QueueDoesNotExist", "The specified queue does not exist."}
}

// sendInput is the input of SendMessage, or one entry of a batch.
type sendInput struct {
	ID                string `json:"Id"`
	QueueURL          string `json:"QueueUrl"`
	MessageBody       string
	DelaySeconds      int
	MessageAttributes map[string]Attribute
}

func (in sendInput) message(q *Queue) (*Message, error) {
	m := &Message{Body: in.MessageBody, Attributes: in.MessageAttributes, Delay: time.Duration(in.DelaySeconds) * time.Second}
	switch {
	case m.Body == "":
		return nil, &apiError{"MissingParameter", "The request must contain the parameter MessageBody."}
	case strings.ContainsFunc(m.Body, notXML) || !utf8.ValidString(m.Body):
		return nil, &apiError{"InvalidMessageContents", "Invalid characters found in the message body."}
	case m.size() > q.config.MaxBytes:
		return nil, &apiError{"InvalidParameterValue", fmt.Sprintf("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.config.MaxBytes)}
	case m.Delay < 0 || m.Delay > maxDelay:
		return nil, &apiError{"InvalidParameterValue", fmt.Sprintf("Value %d for parameter DelaySeconds is invalid.", in.DelaySeconds)}
	case len(m.Attributes) > maxAttributes:
		return nil, &apiError{"InvalidParameterValue", fmt.Sprintf("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(m.Attributes), maxAttributes)}
	}
	for name, a := range m.Attributes {
		if a.DataType == "" || a.StringValue == "" && len(a.BinaryValue) == 0 {
			return nil, &apiError{"InvalidParameterValue", "The message attribute '" + name + "' must have a type and a non-empty value."}
		}
		if strings.ContainsFunc(a.StringValue, notXML) {
			return nil, &apiError{"InvalidParameterValue", "The message attribute '" + name + "' has invalid characters."}
		}
	}
	return m, nil
}

// notXML tells the characters that no message may contain: those which XML 1.0 cannot.
func notXML(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

// sent is what SendMessage replies. The SDK checks the body's checksum.
type sent struct {
	ID                     string `json:"Id,omitempty"`
	MessageID              string `json:"MessageId"`
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
}

type failed struct {
	ID          string `json:"Id"`
	Code        string
	Message     string
	SenderFault bool
}

func (s *SQS) sendMessage(input []byte) (any, error) {
	var in sendInput
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	m, err := in.message(q)
	if err != nil {
		return nil, err
	}
	q.add(m)
	return sent{MessageID: m.ID, MD5OfMessageBody: bodyMD5(m.Body), MD5OfMessageAttributes: attributesMD5(m.Attributes)}, nil
}

func (s *SQS) sendMessageBatch(input []byte) (any, error) {
	var in struct {
		QueueURL string `json:"QueueUrl"`
		Entries  []sendInput
	}
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	ids, total := map[string]bool{}, 0
	for _, e := range in.Entries {
		ids[e.ID] = true
		total += (&Message{Body: e.MessageBody, Attributes: e.MessageAttributes}).size()
	}
	if err := checkBatch(len(in.Entries), ids); err != nil {
		return nil, err
	}
	if total > maxMessageBytes {
		return nil, &apiError{"BatchRequestTooLong", fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageBytes, total)}
	}
	out := struct {
		Successful []sent
		Failed     []failed
	}{[]sent{}, []failed{}}
	for _, e := range in.Entries {
		m, err := e.message(q)
		if err == nil {
			err = s.refusal(e.MessageBody)
		}
		if err != nil {
			out.Failed = append(out.Failed, failedEntry(e.ID, err))
			continue
		}
		q.add(m)
		out.Successful = append(out.Successful, sent{e.ID, m.ID, bodyMD5(m.Body), attributesMD5(m.Attributes)})
	}
	return out, nil
}

func checkBatch(n int, ids map[string]bool) error {
	switch {
	case n == 0:
		return &apiError{"EmptyBatchRequest", "There should be at least one entry in the request."}
	case n > maxBatch:
		return &apiError{"TooManyEntriesInBatchRequest", fmt.Sprintf("Maximum number of entries per request are %d. You have sent %d.", maxBatch, n)}
	case len(ids) < n:
		return &apiError{"BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id."}
	}
	for id := range ids {
		if id == "" || len(id) > 80 || strings.ContainsFunc(id, notEntryID) {
			return &apiError{"InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores, and at most 80 of them."}
		}
	}
	return nil
}

func notEntryID(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

func failedEntry(id string, err error) failed {
	api := asAPIError(err)
	return failed{ID: id, Code: api.code, Message: api.message, SenderFault: statusOf(api.code) < 500}
}

// refusal returns the error that FailEntries has asked for, if any.
func (s *SQS) refusal(body string) error {
	for i, f := range s.refused {
		if strings.Contains(body, f.text) {
			if s.refused[i].times--; s.refused[i].times == 0 {
				s.refused = slices.Delete(s.refused, i, i+1)
			}
			return &apiError{f.code, "stand-in: as asked for"}
		}
	}
	return nil
}

type visibilityInput struct {
	ID                string `json:"Id"`
	QueueURL          string `json:"QueueUrl"`
	ReceiptHandle     string
	VisibilityTimeout int
}

func (s *SQS) changeVisibility(input []byte) (any, error) {
	var in visibilityInput
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return struct{}{}, q.change(in)
}

func (s *SQS) changeVisibilityBatch(input []byte) (any, error) {
	var in struct {
		QueueURL string `json:"QueueUrl"`
		Entries  []visibilityInput
	}
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, e := range in.Entries {
		ids[e.ID] = true
	}
	if err := checkBatch(len(in.Entries), ids); err != nil {
		return nil, err
	}
	type id struct {
		ID string `json:"Id"`
	}
	out := struct {
		Successful []id
		Failed     []failed
	}{[]id{}, []failed{}}
	for _, e := range in.Entries {
		if err := q.change(e); err != nil {
			out.Failed = append(out.Failed, failedEntry(e.ID, err))
		} else {
			out.Successful = append(out.Successful, id{e.ID})
		}
	}
	return out, nil
}

// change sets when a message that is being worked on is seen again, counted from now.
func (q *Queue) change(in visibilityInput) error {
	visibility := time.Duration(in.VisibilityTimeout) * time.Second
	m := q.inFlight[in.ReceiptHandle]
	switch {
	case in.ReceiptHandle == "":
		return &apiError{"MissingParameter", "The request must contain the parameter ReceiptHandle."}
	case visibility < 0 || visibility > maxVisibility:
		return &apiError{"InvalidParameterValue", fmt.Sprintf("Value %d for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and 43200.", in.VisibilityTimeout)}
	case m == nil && slices.ContainsFunc(q.waiting, func(m *Message) bool { return m.handle == in.ReceiptHandle }):
		return &apiError{"MessageNotInflight", "The specified message isn't in flight."}
	case m == nil:
		return &apiError{"ReceiptHandleIsInvalid", "The input receipt handle is invalid."}
	}
	m.Delay = visibility
	return nil
}

func (s *SQS) queueAttributes(input []byte) (any, error) {
	var in struct {
		QueueURL       string `json:"QueueUrl"`
		AttributeNames []string
	}
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	delayed := 0
	for _, m := range q.waiting {
		if m.Delay > 0 {
			delayed++
		}
	}
	all := map[string]string{
		"QueueArn":                              q.ARN,
		"ApproximateNumberOfMessages":           strconv.Itoa(len(q.waiting) - delayed),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(delayed),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(len(q.inFlight)),
		"VisibilityTimeout":                     strconv.Itoa(int(q.config.Visibility.Seconds())),
		"MaximumMessageSize":                    strconv.Itoa(q.config.MaxBytes),
	}
	if dead := q.config.DeadLetter; dead != nil {
		all["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, dead.ARN, q.config.MaxReceives)
	}
	maps.DeleteFunc(all, func(name, _ string) bool {
		return !slices.Contains(in.AttributeNames, "All") && !slices.Contains(in.AttributeNames, name)
	})
	return map[string]any{"Attributes": all}, nil
}
