// Package source is how a named sender of events proves itself, and what its words mean.
//
// A scheme verifies the raw bytes of a request, answers handshakes, decodes the body and forms the reply its vendor wants
// to see. A mapping, which is no code but an entry of the sources' secret, reads departures out of the body by gjson paths
// and tables of values. Everything fails closed: what is missing, faulty or not understood makes nobody leave.
package source

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"wedata-unbind/internal/departure"
)

// MaxBody is how long a request's body may be, in bytes.
const MaxBody = 256 << 10

// What is wrong with a request. The text around them is for the log: it names the reason, and holds neither a key nor
// what the request said. Every other error of this package is a fault of ours.
var (
	// ErrUnknownSource is a name that no entry allows over HTTP.
	ErrUnknownSource = errors.New("source: no such source")
	// ErrMethod is a method that the source's scheme has no use for.
	ErrMethod = errors.New("source: method not allowed")
	// ErrTooLarge is a body longer than MaxBody.
	ErrTooLarge = errors.New("source: body too large")
	// ErrNotVerified is a request that does not prove to come from the source.
	ErrNotVerified = errors.New("source: not verified")
	// ErrMalformed is a request that proves to come from the source and cannot be read.
	ErrMalformed = errors.New("source: malformed")
)

// Request is an HTTP request as its sender made it.
type Request struct {
	Method string
	Path   string
	Query  url.Values
	// Header has canonical names. Of a name that was sent twice both values may stand in one, joined by a comma: front
	// ends do that.
	Header http.Header
	// Body is raw: the very bytes that were sent, base64 of the front end undone.
	Body []byte
}

// Reply is what a vendor wants to see.
type Reply struct {
	Status      int
	ContentType string
	Body        []byte
}

// Delivery is a verified request.
type Delivery struct {
	// Events are what it asks for, each to be carried out unless it has a Verdict. A handshake asks for nothing and has none.
	Events []departure.Event
	reply  replier
}

// Reply returns the answer, once the events are safe: how many of them were accepted, and how many ignored. It errs where
// the answer has to be encrypted and no random bytes can be had.
func (d Delivery) Reply(accepted, ignored int) (Reply, error) { return d.reply(accepted, ignored) }

type replier func(accepted, ignored int) (Reply, error)

// scheme is how one kind of sender proves itself and is answered.
type scheme interface {
	// open verifies the request and returns what it says. It errs with ErrNotVerified or ErrMalformed.
	open(r Request, now time.Time) (message, error)
}

// message is what a verified request says.
type message struct {
	// id is the sender's, of a scheme that has one outside of the body.
	id string
	// body is one JSON text, or nil of a handshake.
	body  []byte
	reply replier
}

// kind is what a name of a scheme stands for.
type kind struct {
	// read makes the scheme from its members, and notes their faults in them.
	read func(*members) scheme
	// get tells that the vendor shakes hands by GET. Without it, only POST is allowed.
	get bool
	// mapping is where the entry says nothing else.
	mapping mapping
}

// kinds has a row for every scheme. It is never written.
var kinds = map[string]kind{
	"standard-webhooks": {read: readStandardWebhooks},
	"hmac":              {read: readHMAC},
	"bearer":            {read: readBearer},
	"okta":              {read: readOkta, get: true, mapping: oktaMapping},
	"feishu":            {read: readFeishu, mapping: feishuMapping},
	"dingtalk":          {read: readDingTalk, mapping: dingTalkMapping},
	"wecom":             {read: readWeCom, get: true, mapping: weComMapping},
}

// counts is the reply to a vendor that only looks at the status.
func counts(accepted, ignored int) (Reply, error) {
	return jsonReply(fmt.Appendf(nil, `{"accepted":%d,"ignored":%d}`, accepted, ignored)), nil
}

// said is the message of a verified body, as one of the readers of bodies returned it.
func said(body []byte, err error) (message, error) {
	if err != nil {
		return message{}, malformed(err)
	}
	return message{body: body, reply: counts}, nil
}

// handshake is the message of a request that only asks for this reply.
func handshake(reply Reply) message {
	return message{reply: func(int, int) (Reply, error) { return reply, nil }}
}

func jsonReply(body []byte) Reply {
	return Reply{Status: http.StatusOK, ContentType: "application/json", Body: body}
}

func notVerified(reason string) error { return fmt.Errorf("%w: %s", ErrNotVerified, reason) }

func malformed(err error) error { return fmt.Errorf("%w: %w", ErrMalformed, err) }
