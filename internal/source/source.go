// Package source verifies the requests of named senders, and reads departures from their events.
//
// A scheme verifies an HTTP request: it checks the raw bytes, decodes the body and forms the reply that the vendor
// expects. A mapping finds the departures in the body. An entry in the sources' secret configures both, the mapping by
// gjson paths and tables of values. If anything is missing, wrong or unknown, there is no departure.
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

// The errors of a refused request. Errors that wrap them give the reason, for the log. They hold no key and nothing of
// the request. Any other error of this package is not the sender's fault.
var (
	// ErrUnknownSource means that the name has no entry, or that its entry has no scheme.
	ErrUnknownSource = errors.New("source: no such source")
	// ErrMethod means that the source's scheme does not use this HTTP method.
	ErrMethod = errors.New("source: method not allowed")
	// ErrTooLarge means that the body is longer than MaxBody.
	ErrTooLarge = errors.New("source: body too large")
	// ErrNotVerified means that the signature or key is missing or wrong, so that anybody may have sent the request.
	ErrNotVerified = errors.New("source: not verified")
	// ErrMalformed means that a verified handshake has no challenge for the reply.
	ErrMalformed = errors.New("source: malformed")
)

// Reply is the response that a vendor expects for success. Its status is 200.
type Reply struct {
	ContentType string // empty where there is no body
	Body        []byte
}

// Delivery is a verified request.
type Delivery struct {
	// Events are to be carried out, unless they have a Status. A handshake has none.
	Events []departure.Event
	reply  func() Reply // nil if the vendor reads only the status
}

// Reply returns the response to send after the events are done or queued. Accepted and ignored count the departures.
func (d Delivery) Reply(accepted, ignored int) Reply {
	if d.reply != nil {
		return d.reply()
	}
	return jsonReply(fmt.Appendf(nil, `{"accepted":%d,"ignored":%d}`, accepted, ignored))
}

// scheme verifies the requests of one kind of sender, and answers them.
type scheme interface {
	// open verifies the request with this raw body, and decodes it. Its errors are ErrNotVerified, ErrMalformed for a
	// handshake, and a FaultsError.
	open(r *http.Request, body []byte, now time.Time) (message, error)
}

// message is the content of a verified request.
type message struct {
	id    string // the sender's id of the event, where a header has it
	body  []byte // one JSON value, or nil for a handshake
	err   error  // set where the body cannot be decoded
	xml   bool   // the body was XML
	reply func() Reply
}

// schemeRow is a row of the table of schemes.
type schemeRow struct {
	read    func(*members) scheme // makes the scheme from the members of an entry
	get     bool                  // allows GET as well as POST, for the vendor's handshake
	replies bool                  // has its own reply, so the entry must not have one
	mapping mapping               // the default mapping; the entry may replace parts of it
}

// schemes is the table of schemes, by their names in an entry. It is never written.
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

// handshake returns the message of a request that has no event and gets this reply.
func handshake(reply Reply) message { return message{reply: func() Reply { return reply }} }

func jsonReply(body []byte) Reply { return Reply{ContentType: "application/json", Body: body} }

func notVerified(reason string) error { return fmt.Errorf("%w: %s", ErrNotVerified, reason) }
