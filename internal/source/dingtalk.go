package source

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/strictjson"
)

// dingTalk is an event subscription of DingTalk by HTTP push. Its handshake check_url is an event like any other: it is
// ignored, and the reply is an encrypted "success".
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
	m, err := newMessage(readJSON(text))
	m.reply = func(int, int) (Reply, error) { return d.success(owner, now) }
	return m, err
}

// success returns the only reply that DingTalk accepts.
func (d dingTalk) success(owner string, now time.Time) (Reply, error) {
	nonce := make([]byte, 8)
	if _, err := io.ReadFull(d.random, nonce); err != nil {
		return Reply{}, fmt.Errorf("source: reply to DingTalk: %w", err)
	}
	sealed, err := d.seal("success", owner)
	if err != nil {
		return Reply{}, fmt.Errorf("source: reply to DingTalk: %w", err)
	}
	timestamp, salt := strconv.FormatInt(now.UnixMilli(), 10), hex.EncodeToString(nonce)
	body, err := strictjson.Marshal(map[string]string{
		"msg_signature": d.sign(timestamp, salt, sealed), "timeStamp": timestamp, "nonce": salt, "encrypt": sealed,
	})
	return jsonReply(body), err
}
