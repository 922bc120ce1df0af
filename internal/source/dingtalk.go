package source

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/strictjson"
)

// dingTalk is an event subscription of DingTalk by HTTP push. Its handshake check_url is an event like any other: it
// is ignored, and the reply is an encrypted "success".
type dingTalk struct{ callback }

func readDingTalk(m *members) scheme { return dingTalk{readCallback(m)} }

// dingTalkMapping: a list of people who left the organization (DingTalk open platform, user_leave_org). The older push
// starts some names with a capital letter.
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
	text, owner, err := d.callback.open(r.URL.Query(), gjson.GetBytes(outer, "encrypt").Str)
	if err != nil {
		return message{}, err
	}
	event, err := readJSON(text)
	return message{body: event, err: err, reply: func() Reply { return d.success(owner, now) }}, nil
}

// success returns the only reply that DingTalk accepts.
func (d dingTalk) success(owner string, now time.Time) Reply {
	timestamp, nonce := strconv.FormatInt(now.UnixMilli(), 10), rand.Text()
	sealed := d.seal(rand.Text()[:sealedRandom], "success", owner)
	body, _ := strictjson.Marshal(map[string]string{ // ASCII only
		"msg_signature": d.sign(timestamp, nonce, sealed), "timeStamp": timestamp, "nonce": nonce, "encrypt": sealed,
	})
	return jsonReply(body)
}
