package source

import (
	"bytes"
	"net/http"
	"time"

	"github.com/tidwall/gjson"
)

// weCom is a callback of WeCom 企业微信, of an own app or of a third-party app. A third-party app gets messages with several
// owners: the provider's corp id (GET), the suite id (commands), the customer's corp id (data).
type weCom struct{ callback }

func readWeCom(m *members) scheme { return weCom{readCallback(m)} }

// weComMapping: a member was deleted (WeCom developer center, "Contact change notification"). An own app finds the type in
// Event, a third-party app in InfoType. Messages have no id.
var weComMapping = mapping{
	left: rules{
		newRule(`{"Event":["change_contact"],"ChangeType":["delete_user"]}`),
		newRule(`{"InfoType":["change_contact"],"ChangeType":["delete_user"]}`),
	},
	time: paths{"CreateTime", "TimeStamp"},
}

// open answers a GET with the decrypted echostr and nothing else, since WeCom compares the bytes. A POST is answered
// without a body.
func (w weCom) open(r *http.Request, body []byte, _ time.Time) (message, error) {
	query := r.URL.Query()
	if r.Method == http.MethodGet {
		echo, _ := single(query["echostr"])
		text, _, err := w.callback.open(query, echo)
		if bytes.HasPrefix(text, []byte("<")) {
			// Messages and challenges are signed alike. Who recorded a message must not have it decrypted here.
			return message{}, notVerified("echostr is a message and no challenge")
		}
		return handshake(Reply{ContentType: "text/plain; charset=utf-8", Body: text}), err
	}
	outer, err := xmlObject(body)
	if err != nil {
		return message{}, notVerified(err.Error())
	}
	text, _, err := w.callback.open(query, gjson.GetBytes(outer, "Encrypt").Str)
	if err != nil {
		return message{}, err
	}
	m, err := newMessage(xmlObject(text))
	m.reply = func(int, int) (Reply, error) { return Reply{}, nil }
	return m, err
}
