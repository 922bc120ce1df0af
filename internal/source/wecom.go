package source

import (
	"bytes"
	"net/http"
	"time"

	"github.com/tidwall/gjson"
)

// weCom is a callback of WeCom 企业微信, of an own app or of a third-party one. What a third-party app gets ends in several
// owners: the provider's corp id (GET), the suite id (commands), the customer's corp id (data).
type weCom struct{ callback }

func readWeCom(m *members) scheme { return weCom{readCallback(m)} }

// weComMapping: a member was deleted (WeCom developer center, "Contact change notification"). An own app is told by Event,
// a third-party one by InfoType. Messages have no id.
var weComMapping = mapping{
	left: rules{
		{oneOf("Event", "change_contact"), oneOf("ChangeType", "delete_user")},
		{oneOf("InfoType", "change_contact"), oneOf("ChangeType", "delete_user")},
	},
	time: paths{"CreateTime", "TimeStamp"},
}

// open answers a GET with the decrypted echostr alone, since WeCom compares the bytes, and a POST with nothing.
func (w weCom) open(r Request, _ time.Time) (message, error) {
	if r.Method == http.MethodGet {
		echo, _ := single(r.Query["echostr"])
		text, _, err := w.callback.open(r.Query, echo)
		if bytes.HasPrefix(text, []byte("<")) {
			// A message is signed as a challenge is: sent back as one, it would be deciphered for whoever has overheard it.
			return message{}, notVerified("what is to be sent back is no challenge but a message")
		}
		return handshake(Reply{Status: http.StatusOK, ContentType: "text/plain; charset=utf-8", Body: text}), err
	}
	outer, err := xmlObject(r.Body)
	if err != nil {
		return message{}, notVerified(err.Error())
	}
	text, _, err := w.callback.open(r.Query, gjson.GetBytes(outer, "Encrypt").Str)
	if err != nil {
		return message{}, err
	}
	m, err := said(xmlObject(text))
	m.reply = func(int, int) (Reply, error) { return Reply{Status: http.StatusOK}, nil }
	return m, err
}
