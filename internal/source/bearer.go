package source

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"wedata-unbind/internal/strictjson"
)

// bearer is a sender that sends a shared secret in a header or in the query.
type bearer struct {
	keys []string
	part part
}

var authorization = newPart("Authorization", false)

func readBearer(m *members) scheme {
	b := bearer{bearerKeys(m), m.part("header")}
	if b.part == (part{}) {
		b.part = authorization
	}
	return b
}

// bearerKeys reads the keys without a leading "Bearer " or "Basic ". The same is removed from what the sender sends,
// so a key may be written with that word or without it.
func bearerKeys(m *members) []string {
	return m.keys(func(key string) ([]byte, error) {
		credentials, _ := withoutScheme(key)
		return []byte(credentials), nil
	})
}

// withoutScheme removes the name of an authentication scheme, in any case (RFC 9110, section 11.1).
func withoutScheme(s string) (credentials string, basic bool) {
	word, rest, found := strings.Cut(s, " ")
	basic = found && strings.EqualFold(word, "Basic")
	if basic || found && strings.EqualFold(word, "Bearer") {
		return rest, basic
	}
	return s, false
}

func (b bearer) open(r *http.Request, body []byte, _ time.Time) (message, error) {
	if err := b.verify(r); err != nil {
		return message{}, err
	}
	return decoded(r.Header, body), nil
}

// verify compares the credentials in the request with every key. With Basic, a key may also be written as
// user:password.
func (b bearer) verify(r *http.Request) error {
	value, ok := single(b.part.values(r))
	if !ok {
		return notVerified(b.part.shown() + " is missing, or stands twice")
	}
	credentials, basic := withoutScheme(value)
	given := []string{credentials}
	if pair, err := base64.StdEncoding.DecodeString(credentials); basic && err == nil {
		given = append(given, string(pair))
	}
	if !anyEqual(given, b.keys) {
		return notVerified(b.part.shown() + " is none of the keys")
	}
	return nil
}

// okta is an Okta event hook: bearer, and a GET with a challenge that the reply repeats. Okta sends the key with that
// GET too (Okta Support, "Unable to verify event hook"), so it is verified as well.
type okta struct{ bearer }

func readOkta(m *members) scheme { return okta{bearer{bearerKeys(m), authorization}} }

// oktaMapping: a person who is deactivated or deleted has left; a person who is suspended has not (Okta, "Event
// Types"). An event without an outcome counts as successful: in a gjson path, ! writes a literal, here the default.
var oktaMapping = mapping{
	each: "data.events",
	left: rules{newRule(`{"eventType":["user.lifecycle.deactivate","user.lifecycle.delete.initiated"],
		"[outcome.result,!\"SUCCESS\"].0":["SUCCESS"]}`)},
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
