package source

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

// dingTalk is an event subscription of DingTalk by HTTP push. Its check_url is an event like any other: it is ignored, and
// answered with the encrypted word success.
type dingTalk struct{ callback }

func readDingTalk(m *members) scheme { return dingTalk{readCallback(m)} }

// dingTalkMapping: a list of people who left the organization (DingTalk open platform, user_leave_org). The older push
// writes some names with a capital letter.
var dingTalkMapping = mapping{
	left: rules{{oneOf("EventType", "user_leave_org")}},
	id:   paths{"eventId", "EventId"},
	time: paths{"EventTime", "timeStamp", "TimeStamp"},
}

func (d dingTalk) open(r Request, now time.Time) (message, error) {
	body, err := strictJSON(r.Body)
	if err != nil {
		return message{}, notVerified(err.Error())
	}
	text, owner, err := d.callback.open(r.Query, gjson.GetBytes(body, "encrypt").Str)
	if err != nil {
		return message{}, err
	}
	m, err := said(strictJSON(text))
	m.reply = func(int, int) (Reply, error) { return d.success(owner, now) }
	return m, err
}

// success is the only reply that DingTalk takes for one.
func (d dingTalk) success(owner string, now time.Time) (Reply, error) {
	nonce := make([]byte, 8)
	if _, err := io.ReadFull(d.random, nonce); err != nil {
		return Reply{}, fmt.Errorf("source: reply to DingTalk: %w", err)
	}
	sealed, err := d.seal("success", owner)
	if err != nil {
		return Reply{}, fmt.Errorf("source: reply to DingTalk: %w", err)
	}
	reply := struct {
		Signature string `json:"msg_signature"`
		Timestamp string `json:"timeStamp"`
		Nonce     string `json:"nonce"`
		Encrypt   string `json:"encrypt"`
	}{Timestamp: strconv.FormatInt(now.UnixMilli(), 10), Nonce: hex.EncodeToString(nonce), Encrypt: sealed}
	reply.Signature = d.sign(reply.Timestamp, reply.Nonce, reply.Encrypt)
	body, err := json.Marshal(reply)
	return jsonReply(body), err
}
