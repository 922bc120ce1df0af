package lambdatest

import (
	"maps"
	"sync"
	"time"
)

const (
	maxMessageBytes   = 1 << 20
	defaultVisibility = 30 * time.Second
)

// SQS stands in for Amazon SQS: an [http.Handler] for its standard queues, as far as a function uses them that sends to
// queues and is called by an event source mapping. It answers SendMessage, SendMessageBatch, ChangeMessageVisibility, its
// batch form and GetQueueAttributes, with the faults that are asked for by Fail and FailEntries.
type SQS struct {
	endpoint
	// Now is the time of sending and receiving, [time.Now] if nil. It is to be set before the first use.
	Now func() time.Time

	mu      sync.Mutex
	queues  map[string]*Queue // by URL
	refused []entryFault
}

// QueueConfig is how a queue behaves. Zero values are SQS's own defaults.
type QueueConfig struct {
	// Visibility is how long a message that was not done stays hidden, 30 s if zero.
	Visibility time.Duration
	// DeadLetter takes a message once it was received MaxReceives times and not done. Without it, it stays for ever.
	DeadLetter  *Queue
	MaxReceives int
	// MaxBytes is the size limit of a message with its attributes, 1 MiB if zero; older queues have 256 KiB.
	MaxBytes int
}

// Queue is one of the queues. URL and ARN are how a function knows it.
type Queue struct {
	Name, URL, ARN string

	config   QueueConfig
	sqs      *SQS
	waiting  []*Message
	inFlight map[string]*Message // by receipt handle
}

// Message is a message in a queue.
type Message struct {
	ID         string
	Body       string
	Attributes map[string]Attribute
	// Delay is how long it still waits, before the first time or until it is seen again. Here no time passes: Deliver hands
	// it over at once.
	Delay time.Duration
	// Receives is how often it was handed over.
	Receives int
	// Sent is when it came to its first queue, FirstReceived when it was first handed over from this one.
	Sent, FirstReceived time.Time
	// Source is the ARN of the queue from which SQS itself moved it to this dead-letter queue.
	Source string

	handle string
}

// Attribute is a message attribute.
type Attribute struct {
	DataType    string
	StringValue string `json:",omitempty"`
	BinaryValue []byte `json:",omitempty"`
}

// size counts as SQS does: the body and each attribute's name, type and value.
func (m *Message) size() int {
	n := len(m.Body)
	for name, a := range m.Attributes {
		n += len(name) + len(a.DataType) + len(a.StringValue) + len(a.BinaryValue)
	}
	return n
}

type entryFault struct {
	text, code string
	times      int
}

// NewSQS returns one without queues.
func NewSQS() *SQS {
	s := &SQS{queues: map[string]*Queue{}}
	s.target, s.contentType, s.messageKey, s.queryCodes = "AmazonSQS", "application/x-amz-json-1.0", "message", true
	s.operations = map[string]func([]byte) (any, error){
		"SendMessage":                  s.sendMessage,
		"SendMessageBatch":             s.sendMessageBatch,
		"ChangeMessageVisibility":      s.changeVisibility,
		"ChangeMessageVisibilityBatch": s.changeVisibilityBatch,
		"GetQueueAttributes":           s.queueAttributes,
	}
	return s
}

// Create adds an empty queue of that name, or puts it in the place of an older one.
func (s *SQS) Create(name string, config QueueConfig) *Queue {
	if config.Visibility == 0 {
		config.Visibility = defaultVisibility
	}
	if config.MaxBytes == 0 {
		config.MaxBytes = maxMessageBytes
	}
	q := &Queue{
		Name:     name,
		URL:      "https://sqs." + Region + ".amazonaws.com/" + AccountID + "/" + name,
		ARN:      "arn:aws:sqs:" + Region + ":" + AccountID + ":" + name,
		config:   config,
		sqs:      s,
		inFlight: map[string]*Message{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queues[q.URL] = q
	return q
}

// FailEntries makes entries of SendMessageBatch whose body contains the text fail with the code, as many times as said,
// while the rest of their batch gets through.
func (s *SQS) FailEntries(text, code string, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = append(s.refused, entryFault{text, code, times})
}

// Messages returns what lies in the queue, oldest first, without what a function is busy with.
func (q *Queue) Messages() []Message {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	return copies(q.waiting)
}

// Send puts a message into the queue, past the API and its faults.
func (q *Queue) Send(body string, attributes map[string]Attribute) {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	q.add(&Message{Body: body, Attributes: attributes})
}

// Redrive moves all messages to another queue, as new ones, and returns how many: what StartMessageMoveTask does with a
// dead-letter queue.
func (q *Queue) Redrive(to *Queue) int {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	moved := q.waiting
	q.waiting = nil
	for _, m := range moved {
		to.add(&Message{Body: m.Body, Attributes: m.Attributes})
	}
	return len(moved)
}

// add gives the message its id and time.
func (q *Queue) add(m *Message) {
	m.ID, m.Sent = uuid(), q.sqs.now()
	q.waiting = append(q.waiting, m)
}

func copies(list []*Message) []Message {
	out := make([]Message, 0, len(list))
	for _, m := range list {
		c := *m
		c.Attributes = maps.Clone(m.Attributes)
		out = append(out, c)
	}
	return out
}

func (s *SQS) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}
