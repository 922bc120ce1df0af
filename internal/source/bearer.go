package source

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// bearer is a sender that shows a shared secret in a header.
type bearer struct {
	keys   [][]byte
	header string
}

func readBearer(m *members) scheme {
	return bearer{keys: m.keys(decodeBearerKey), header: cmp.Or(m.header("header"), "Authorization")}
}

// decodeBearerKey puts a leading "Bearer " aside, as with the header: whichever way it was pasted, the two agree.
func decodeBearerKey(s string) ([]byte, error) {
	return []byte(withoutBearer(s)), nil
}

func withoutBearer(s string) string { return strings.TrimPrefix(s, "Bearer ") }

func (b bearer) open(r Request, _ time.Time) (message, error) {
	if err := b.verify(r); err != nil {
		return message{}, err
	}
	return said(decode(r.Header, r.Body))
}

func (b bearer) verify(r Request) error {
	value, ok := single(r.Header.Values(b.header))
	if !ok {
		return notVerified(b.header + " is missing, or stands twice")
	}
	fits := false
	for _, key := range b.keys {
		fits = equal(string(key), withoutBearer(value)) || fits
	}
	if !fits {
		return notVerified(b.header + " is none of the keys")
	}
	return nil
}

// okta is an Okta event hook: bearer, and a GET whose challenge is to be sent back. Okta shows the secret there too (Okta
// Support, "Unable to verify event hook"), so nobody else is answered.
type okta struct{ bearer }

func readOkta(m *members) scheme {
	return okta{bearer{keys: m.keys(decodeBearerKey), header: "Authorization"}}
}

// oktaMapping: deactivation and deletion end somebody's work; suspension does not (Okta, "Event Types").
var oktaMapping = mapping{
	each: "data.events",
	left: rules{{oneOf("eventType", "user.lifecycle.deactivate", "user.lifecycle.delete.initiated")}},
	id:   paths{"uuid"},
	time: paths{"published"},
}

func (o okta) open(r Request, now time.Time) (message, error) {
	if r.Method != http.MethodGet {
		return o.bearer.open(r, now)
	}
	if err := o.verify(r); err != nil {
		return message{}, err
	}
	challenge, ok := single(r.Header.Values("X-Okta-Verification-Challenge"))
	if !ok {
		return message{}, malformed(errors.New("no challenge to answer"))
	}
	body, err := json.Marshal(map[string]string{"verification": challenge})
	return handshake(jsonReply(body)), err
}
