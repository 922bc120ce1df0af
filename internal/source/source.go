// Package source verifies what named senders of events send, and reads departures out of it.
//
// A scheme verifies a request over HTTP: it checks the raw bytes, decodes the body and forms the reply that the vendor
// expects. A mapping finds departures in the body. It is no code but an entry in the sources' secret: gjson paths and
// tables of values. What is missing, wrong or not understood never becomes a departure.
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

// What is wrong with a request. Errors that wrap these say why, for the log. They hold no key and nothing from the
// request. Any other error of this package is ours.
var (
	// ErrUnknownSource is a name without an entry, or with one that has no scheme.
	ErrUnknownSource = errors.New("source: no such source")
	// ErrMethod is a method that the source's scheme does not use.
	ErrMethod = errors.New("source: method not allowed")
	// ErrTooLarge is a body longer than MaxBody.
	ErrTooLarge = errors.New("source: body too large")
	// ErrNotVerified is a request that may come from anybody: its signature or key is missing or wrong.
	ErrNotVerified = errors.New("source: not verified")
	// ErrMalformed is a verified handshake without the challenge that its reply repeats.
	ErrMalformed = errors.New("source: malformed")
)

// Reply is what a vendor wants to see for success. Its status is 200.
type Reply struct {
	ContentType string // empty where there is no body
	Body        []byte
}

// Delivery is a verified request.
type Delivery struct {
	// Events are to be carried out, unless they have a Status. A handshake has none.
	Events []departure.Event
	reply  func() Reply // nil if the vendor looks at nothing but the status
}

// Reply returns the answer, once the events are safe: how many of them were accepted, and how many ignored.
func (d Delivery) Reply(accepted, ignored int) Reply {
	if d.reply != nil {
		return d.reply()
	}
	return jsonReply(fmt.Appendf(nil, `{"accepted":%d,"ignored":%d}`, accepted, ignored))
}

// scheme is how one kind of sender proves who it is, and how it is answered.
type scheme interface {
	// open verifies the request with this raw body, and decodes it. It errs with ErrNotVerified, for a handshake with
	// ErrMalformed, or with a FaultsError.
	open(r *http.Request, body []byte, now time.Time) (message, error)
}

// message is the content of a verified request.
type message struct {
	id    string // the sender's id of the event, where a header has it
	body  []byte // one JSON value, or nil for a handshake
	err   error  // why there is no body: nobody could read it
	xml   bool   // the body was XML
	reply func() Reply
}

// schemeRow is what a scheme's name in an entry stands for.
type schemeRow struct {
	read    func(*members) scheme // makes the scheme from the members of an entry
	get     bool                  // allows GET beside POST, for the vendor's handshake
	replies bool                  // answers an event in a way of its own
	mapping mapping               // the default, of which members of the entry replace parts
}

// schemes has one row for each scheme. It is never written.
var schemes = map[string]schemeRow{
	"standard-webhooks": {read: readStandardWebhooks},
	"hmac":              {read: readHMAC},
	"bearer":            {read: readBearer},
	"okta":              {read: readOkta, get: true, mapping: oktaMapping},
	"feishu":            {read: readFeishu, mapping: feishuMapping},
	"dingtalk":          {read: readDingTalk, replies: true, mapping: dingTalkMapping},
	"wecom":             {read: readWeCom, get: true, replies: true, mapping: weComMapping},
}

// decoded returns the message of a verified request with this body.
func decoded(header http.Header, body []byte) message {
	text, err := decode(header, body)
	return message{body: text, err: err, xml: isXML(body)}
}

// handshake returns the message of a request that only wants this reply.
func handshake(reply Reply) message { return message{reply: func() Reply { return reply }} }

func jsonReply(body []byte) Reply { return Reply{ContentType: "application/json", Body: body} }

func notVerified(reason string) error { return fmt.Errorf("%w: %s", ErrNotVerified, reason) }
