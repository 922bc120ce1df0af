package source

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/strictjson"
)

// dingTalk is an event subscription of DingTalk by HTTP push. Replies are encrypted: "success", or the Random of a
// third-party app's handshake.
type dingTalk struct{ callback }

// handshakes matches the types of the events by which DingTalk tests an address: for an app of the company, and for a
// third-party app.
var handshakes = pattern(`^check_([a-z]+_suite_)?url$`)

func readDingTalk(m *members) scheme { return dingTalk{readCallback(m)} }

// dingTalkMapping: a list of people who left the organization (DingTalk open platform, user_leave_org). In the older
// push some names start with a capital letter.
var dingTalkMapping = mapping{
	left: rules{newRule(`{"EventType":["user_leave_org"]}`)},
	id:   paths{"eventId", "EventId"},
	time: paths{"EventTime", "timeStamp", "TimeStamp"},
}

func (d dingTalk) open(r *http.Request, body []byte, now time.Time) (message, error) {
	outer, err := readJSON(body)
	if err != nil {
		return message{}, notVerified(err.Error())
	}
	text, owner, err := d.openFresh(r.URL.Query(), gjson.GetBytes(outer, "encrypt").Str, now)
	if err != nil {
		return message{}, err
	}
	event, err := readJSON(text)
	m := message{body: event, err: err, reply: func() Reply { return d.answer("success", owner, now) }}
	if handshakes().MatchString(gjson.GetBytes(event, "EventType").Str) {
		random := cmp.Or(gjson.GetBytes(event, "Random").Str, "success")
		m = message{reply: func() Reply { return d.answer(random, owner, now) }}
	}
	return m, nil
}

// answer returns the encrypted and signed reply with this text.
func (d dingTalk) answer(text, owner string, now time.Time) Reply {
	timestamp, nonce := strconv.FormatInt(now.UnixMilli(), 10), rand.Text()
	sealed := d.seal(rand.Text()[:sealedRandom], text, owner)
	body, _ := strictjson.Marshal(map[string]string{ // ASCII only
		"msg_signature": d.sign(timestamp, nonce, sealed), "timeStamp": timestamp, "nonce": nonce, "encrypt": sealed,
	})
	return jsonReply(body)
}
