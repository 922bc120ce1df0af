// Package source verifies what named senders of events send, and reads departures out of it.
//
// A scheme verifies a request over HTTP: it checks the raw bytes, decodes the body and forms the reply that the vendor
// expects. A mapping finds departures in the body. It is no code but an entry in the sources' secret: gjson paths and tables
// of values. What is missing, wrong or not understood never becomes a departure.
package source

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"wedata-unbind/internal/departure"
)

// MaxBody is how long a request's body may be, in bytes.
const MaxBody = 256 << 10

// What is wrong with a request. Errors that wrap these say why, for the log. They hold no key and nothing from the request.
// Any other error of this package is ours.
var (
	// ErrUnknownSource is a name without an entry, or with one that has no scheme.
	ErrUnknownSource = errors.New("source: no such source")
	// ErrMethod is a method that the source's scheme does not use.
	ErrMethod = errors.New("source: method not allowed")
	// ErrTooLarge is a body longer than MaxBody.
	ErrTooLarge = errors.New("source: body too large")
	// ErrNotVerified is a request that may come from anybody: its signature or key is missing or wrong.
	ErrNotVerified = errors.New("source: not verified")
	// ErrMalformed is a verified request that cannot be read.
	ErrMalformed = errors.New("source: malformed")
)

// Reply is the body that a vendor expects. Its status is 200.
type Reply struct {
	// ContentType is empty where there is no body.
	ContentType string
	Body        []byte
}

// Delivery is a verified request.
type Delivery struct {
	// Events are to be carried out, unless they have a Status. A handshake has none.
	Events []departure.Event
	reply  replier
}

// Reply returns the answer, once the events are safe: how many of them were accepted, and how many ignored. It errs where
// the answer has to be encrypted and there are no random bytes.
func (d Delivery) Reply(accepted, ignored int) (Reply, error) { return d.reply(accepted, ignored) }

type replier func(accepted, ignored int) (Reply, error)

// scheme is how one kind of sender proves who it is, and how it is answered.
type scheme interface {
	// open verifies the request with this raw body, and decodes it. It errs with ErrNotVerified or ErrMalformed.
	open(r *http.Request, body []byte, now time.Time) (message, error)
}

// message is the content of a verified request.
type message struct {
	// id is the sender's id of the event, where a header has it.
	id string
	// body is one JSON value, or nil for a handshake.
	body  []byte
	reply replier
}

// schemeRow is what a scheme's name in an entry stands for.
type schemeRow struct {
	// read makes the scheme from the members of an entry.
	read func(*members) scheme
	// get allows GET beside POST: the vendor's handshake uses it.
	get bool
	// mapping is the default. Members of the entry replace parts of it.
	mapping mapping
}

// schemes has one row for each scheme. It is never written.
var schemes = map[string]schemeRow{
	"standard-webhooks": {read: readStandardWebhooks},
	"hmac":              {read: readHMAC},
	"bearer":            {read: readBearer},
	"okta":              {read: readOkta, get: true, mapping: oktaMapping},
	"feishu":            {read: readFeishu, mapping: feishuMapping},
	"dingtalk":          {read: readDingTalk, mapping: dingTalkMapping},
	"wecom":             {read: readWeCom, get: true, mapping: weComMapping},
}

// newMessage returns the message of a verified body that was decoded with this result.
func newMessage(body []byte, err error) (message, error) {
	if err != nil {
		return message{}, malformed(err)
	}
	return message{body: body, reply: countReply}, nil
}

// handshake returns the message of a request that only wants this reply.
func handshake(reply Reply) message {
	return message{reply: func(int, int) (Reply, error) { return reply, nil }}
}

// countReply answers a vendor that looks at nothing but the status.
func countReply(accepted, ignored int) (Reply, error) {
	return jsonReply(fmt.Appendf(nil, `{"accepted":%d,"ignored":%d}`, accepted, ignored)), nil
}

func jsonReply(body []byte) Reply { return Reply{ContentType: "application/json", Body: body} }

func notVerified(reason string) error { return fmt.Errorf("%w: %s", ErrNotVerified, reason) }

func malformed(err error) error { return fmt.Errorf("%w: %w", ErrMalformed, err) }
