package source

import (
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// weCom is a callback of WeCom 企业微信, for an app of the company or a third-party app. The messages of a third-party
// app have several owners: the provider's corp id (GET), the suite id (commands), the customer's corp id (data).
type weCom struct{ callback }

func readWeCom(m *members) scheme { return weCom{readCallback(m)} }

// weComMapping: a member was deleted (WeCom developer center, "Contact change notification"). For an app of the
// company the type is in Event, for a third-party app in InfoType. Messages have no id.
var weComMapping = mapping{
	left: rules{
		newRule(`{"Event":["change_contact"],"ChangeType":["delete_user"]}`),
		newRule(`{"InfoType":["change_contact"],"ChangeType":["delete_user"]}`),
	},
	time: paths{"CreateTime", "TimeStamp"},
}

const plainText = "text/plain; charset=utf-8"

// open answers a GET with the decrypted echostr and nothing else, since WeCom compares the bytes. It answers a POST
// with an empty body, or with the word success for a third-party app (WeCom developer center 97172).
func (w weCom) open(r *http.Request, body []byte, now time.Time) (message, error) {
	query := r.URL.Query()
	if r.Method == http.MethodGet {
		echo, _ := single(query["echostr"])
		text, _, err := w.openFresh(query, echo, now)
		if err == nil && strings.Trim(string(text), "0123456789") != "" {
			// Messages and challenges are signed in the same way. Otherwise an attacker with a recorded message could
			// have it decrypted here.
			return message{}, notVerified("echostr is a message and no challenge")
		}
		return handshake(Reply{ContentType: plainText, Body: text}), err
	}
	outer, err := decode(nil, body)
	if err != nil {
		return message{}, notVerified(err.Error())
	}
	text, _, err := w.openFresh(query, gjson.GetBytes(outer, "Encrypt").Str, now)
	if err != nil {
		return message{}, err
	}
	m := decoded(nil, text)
	m.reply = func() Reply { return Reply{} }
	if gjson.GetBytes(m.body, "InfoType").Exists() { // a third-party app, where WeCom takes other replies for errors
		m.reply = func() Reply { return Reply{ContentType: plainText, Body: []byte("success")} }
	}
	return m, nil
}
