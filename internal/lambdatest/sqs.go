package lambdatest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const maxMessageBytes = 1 << 20 // of a message with its attributes, and of a whole batch

// SQS stands in for Amazon SQS with standard queues. It is an [http.Handler] that answers SendMessageBatch,
// ChangeMessageVisibility and GetQueueAttributes; [Queue.Deliver] is its event source mapping.
type SQS struct {
	endpoint

	mu      sync.Mutex
	queues  map[string]*Queue // by URL
	refused []entryFault
}

// QueueConfig configures a [Queue]. The zero value of each member is SQS's default.
type QueueConfig struct {
	// Visibility is how long a received message stays hidden. Default 30 s.
	Visibility time.Duration
	// DeadLetter is the queue for messages that were received MaxReceives times and are not done. Nil means that they
	// stay.
	DeadLetter  *Queue
	MaxReceives int
	// MaxBytes is the limit of a message with its attributes, 1 MiB if zero. Older queues have 256 KiB.
	MaxBytes int
}

// Queue is a queue of an [SQS]. A function knows it by its URL.
type Queue struct {
	Name, URL string

	config   QueueConfig
	sqs      *SQS
	waiting  []*Message
	inFlight map[string]*Message // by receipt handle
}

// Message is a message in a queue.
type Message struct {
	ID, Body   string
	Attributes map[string]Attribute
	// Delay is how long the message is still hidden. No time passes here: [Queue.Deliver] takes the message at once.
	Delay time.Duration
	// Receives is how often it was received.
	Receives int
	// Sent is when it came to its first queue.
	Sent time.Time

	handle  string
	visible time.Time // when DeliverDue takes it
}

// Attribute is a message attribute that is a text.
type Attribute struct{ DataType, StringValue string }

// size counts as SQS does: the body, and each attribute's name, type and value.
func (m *Message) size() int {
	n := len(m.Body)
	for name, a := range m.Attributes {
		n += len(name) + len(a.DataType) + len(a.StringValue)
	}
	return n
}

// entryFault makes entries of batches fail whose body contains text.
type entryFault struct {
	text, code string
	times      int
}

// NewSQS returns a stand-in without queues.
func NewSQS() *SQS {
	s := &SQS{queues: map[string]*Queue{}}
	s.operations = map[string]func([]byte) (any, *apiError){
		"SendMessageBatch":        s.sendMessageBatch,
		"ChangeMessageVisibility": s.changeVisibility,
		"GetQueueAttributes":      s.getQueueAttributes,
	}
	return s
}

// Create adds an empty queue. It replaces one of the same name.
func (s *SQS) Create(name string, config QueueConfig) *Queue {
	if config.Visibility == 0 {
		config.Visibility = 30 * time.Second
	}
	if config.MaxBytes == 0 {
		config.MaxBytes = maxMessageBytes
	}
	url := "https://sqs." + Region + ".amazonaws.com/" + accountID + "/" + name
	q := &Queue{Name: name, URL: url, config: config, sqs: s, inFlight: map[string]*Message{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queues[url] = q
	return q
}

// FailEntries makes entries of SendMessageBatch fail whose body contains the text, times times or, where that is less
// than 0, always. The other entries of their batch are sent.
func (s *SQS) FailEntries(text, code string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, entryFault{text, code, times})
}

// Messages returns the messages in the queue, oldest first, without those in flight.
func (q *Queue) Messages() []Message {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	return copies(q.waiting)
}

// InFlight returns the messages that the function has received and not finished yet.
func (q *Queue) InFlight() (list []Message) {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	for _, m := range q.inFlight {
		list = append(list, *m)
	}
	return list
}

// Next returns when the next message of the queue is visible; it is zero where the queue is empty.
func (q *Queue) Next() (next time.Time) {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	for _, m := range q.waiting {
		if next.IsZero() || m.visible.Before(next) {
			next = m.visible
		}
	}
	return next
}

// Send puts a message into the queue, without a call of the API.
func (q *Queue) Send(body string, attributes map[string]Attribute) {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	q.add(&Message{Body: body, Attributes: attributes})
}

// ARN is the queue's name in policies and schedules.
func (q *Queue) ARN() string { return "arn:aws:sqs:" + Region + ":" + accountID + ":" + q.Name }

// sendTo puts a message into the queue with that ARN, if there is one.
func (s *SQS) sendTo(arn, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		if q.ARN() == arn {
			q.add(&Message{Body: body})
		}
	}
}

// Redrive moves all messages to another queue as new messages, like StartMessageMoveTask.
func (q *Queue) Redrive(to *Queue) {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	for _, m := range q.waiting {
		to.add(&Message{Body: m.Body, Attributes: m.Attributes})
	}
	q.waiting = nil
}

// add gives the message its id and time.
func (q *Queue) add(m *Message) {
	m.ID, m.Sent = uuid(), time.Now()
	m.visible = m.Sent.Add(m.Delay)
	q.waiting = append(q.waiting, m)
}

func copies(list []*Message) []Message {
	out := make([]Message, 0, len(list))
	for _, m := range list {
		out = append(out, *m)
	}
	return out
}

// entry is an entry of SendMessageBatch.
type entry struct {
	ID                string `json:"Id"`
	MessageBody       string
	DelaySeconds      int
	MessageAttributes map[string]Attribute
}

// message returns the entry as a message, or the error by which SQS refuses it.
func (in entry) message(maxBytes int) (*Message, *apiError) {
	delay := time.Duration(in.DelaySeconds) * time.Second
	m := &Message{Body: in.MessageBody, Attributes: in.MessageAttributes, Delay: delay}
	switch {
	case m.Body == "":
		return m, &apiError{"MissingParameter", "The request must contain the parameter MessageBody."}
	case !utf8.ValidString(m.Body) || strings.ContainsFunc(m.Body, notXML):
		return m, &apiError{"InvalidMessageContents", "Invalid characters found in the message body."}
	case m.size() > maxBytes:
		return m, invalid("Message must be shorter than %d bytes.", maxBytes)
	case in.DelaySeconds < 0 || in.DelaySeconds > 900:
		return m, invalid("Value %d for parameter DelaySeconds is invalid.", in.DelaySeconds)
	case len(m.Attributes) > 10:
		return m, invalid("Number of message attributes [%d] exceeds the allowed maximum [10].", len(m.Attributes))
	}
	for name, a := range m.Attributes {
		if a.DataType == "" || a.StringValue == "" || strings.ContainsFunc(a.StringValue, notXML) {
			return m, invalid("The message attribute %q must have a type and a non-empty value of valid characters.", name)
		}
	}
	return m, nil
}

func invalid(format string, args ...any) *apiError {
	return &apiError{"InvalidParameterValue", fmt.Sprintf(format, args...)}
}

// notXML reports the characters that XML 1.0 cannot hold. No message may contain them.
func notXML(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

func (s *SQS) sendMessageBatch(input []byte) (any, *apiError) {
	var in struct {
		QueueURL string `json:"QueueUrl"`
		Entries  []entry
	}
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[in.QueueURL]
	ids, total := map[string]bool{}, 0
	for _, e := range in.Entries {
		ids[e.ID] = true
		total += (&Message{Body: e.MessageBody, Attributes: e.MessageAttributes}).size()
	}
	switch n := len(in.Entries); {
	case q == nil:
		return nil, noQueue()
	case n == 0 || n > 10:
		return nil, invalid("A batch has 1 to 10 entries. You have sent %d.", n)
	case len(ids) < n || ids[""]:
		return nil, &apiError{"BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id, or an empty one."}
	case total > maxMessageBytes:
		return nil, &apiError{"BatchRequestTooLong", fmt.Sprintf("You have sent %d bytes.", total)}
	}
	// The SDK checks the checksum of a body only where there is one.
	successful, failed := []map[string]string{}, []map[string]any{}
	for _, e := range in.Entries {
		m, err := e.message(q.config.MaxBytes)
		if err == nil {
			err = s.entryFault(e.MessageBody)
		}
		if err != nil {
			failed = append(failed, map[string]any{"Id": e.ID, "Code": err.code, "Message": err.message})
			continue
		}
		q.add(m)
		successful = append(successful, map[string]string{"Id": e.ID, "MessageId": m.ID})
	}
	return map[string]any{"Successful": successful, "Failed": failed}, nil
}

func noQueue() *apiError {
	return &apiError{"QueueDoesNotExist", "The specified queue does not exist."}
}

// entryFault returns the fault that FailEntries has set for a body.
func (s *SQS) entryFault(body string) *apiError {
	i := slices.IndexFunc(s.refused, func(f entryFault) bool { return strings.Contains(body, f.text) })
	if i < 0 {
		return nil
	}
	code := s.refused[i].code
	if s.refused[i].times--; s.refused[i].times == 0 {
		s.refused = slices.Delete(s.refused, i, i+1)
	}
	return &apiError{code, "stand-in: as asked for"}
}

// changeVisibility sets how long a message that the function has received stays hidden, from now on.
func (s *SQS) changeVisibility(input []byte) (any, *apiError) {
	var in struct {
		QueueURL          string `json:"QueueUrl"`
		ReceiptHandle     string
		VisibilityTimeout int
	}
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[in.QueueURL]
	switch {
	case q == nil:
		return nil, noQueue()
	case in.VisibilityTimeout < 0 || in.VisibilityTimeout > 43200:
		return nil, invalid("VisibilityTimeout must be an integer between 0 and 43200.")
	case q.inFlight[in.ReceiptHandle] == nil:
		return nil, &apiError{"ReceiptHandleIsInvalid", "The input receipt handle is invalid."}
	}
	m := q.inFlight[in.ReceiptHandle]
	m.Delay = time.Duration(in.VisibilityTimeout) * time.Second
	m.visible = time.Now().Add(m.Delay)
	return struct{}{}, nil
}

// getQueueAttributes returns the ARN, whichever attributes are requested.
func (s *SQS) getQueueAttributes(input []byte) (any, *apiError) {
	var in struct {
		QueueURL string `json:"QueueUrl"`
	}
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[in.QueueURL]
	if q == nil {
		return nil, noQueue()
	}
	arn := "arn:aws:sqs:" + Region + ":" + accountID + ":" + q.Name
	return map[string]any{"Attributes": map[string]string{"QueueArn": arn}}, nil
}
