package source

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"wedata-unbind/internal/strictjson"
)

// bearer is a sender that sends a shared secret in a header.
type bearer struct {
	keys   []string
	header string
}

func readBearer(m *members) scheme {
	return bearer{bearerKeys(m), cmp.Or(m.header("header"), "Authorization")}
}

// bearerKeys removes a leading "Bearer ", as is done with the header, so that both ways to paste a key work.
func bearerKeys(m *members) []string {
	return m.keys(func(key string) ([]byte, error) { return []byte(withoutBearer(key)), nil })
}

func withoutBearer(s string) string { return strings.TrimPrefix(s, "Bearer ") }

func (b bearer) open(r *http.Request, body []byte, _ time.Time) (message, error) {
	if err := b.verify(r); err != nil {
		return message{}, err
	}
	return decoded(r.Header, body), nil
}

func (b bearer) verify(r *http.Request) error {
	value, ok := single(r.Header.Values(b.header))
	if !ok {
		return notVerified(b.header + " is missing, or stands twice")
	}
	if !anyEqual([]string{withoutBearer(value)}, b.keys) {
		return notVerified(b.header + " is none of the keys")
	}
	return nil
}

// okta is an Okta event hook: bearer, and a GET whose challenge is sent back. Okta sends the key with that GET too
// (Okta Support, "Unable to verify event hook"), so it is verified as well.
type okta struct{ bearer }

func readOkta(m *members) scheme { return okta{bearer{bearerKeys(m), "Authorization"}} }

// oktaMapping: who is deactivated or deleted has left, who is suspended has not (Okta, "Event Types").
var oktaMapping = mapping{
	each: "data.events",
	left: rules{newRule(`{"eventType":["user.lifecycle.deactivate","user.lifecycle.delete.initiated"]}`)},
	id:   paths{"uuid"},
	time: paths{"published"},
}

func (o okta) open(r *http.Request, body []byte, now time.Time) (message, error) {
	if r.Method != http.MethodGet {
		return o.bearer.open(r, body, now)
	}
	if err := o.verify(r); err != nil {
		return message{}, err
	}
	challenge, ok := single(r.Header.Values("X-Okta-Verification-Challenge"))
	reply, err := strictjson.Marshal(map[string]string{"verification": challenge})
	if !ok || err != nil {
		return message{}, fmt.Errorf("%w: no challenge that can be answered", ErrMalformed)
	}
	return handshake(jsonReply(reply)), nil
}
