package source

import (
	"cmp"
	"crypto/aes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/strictjson"
)

// feishu is an event subscription of Feishu or Lark. With an Encrypt Key every event is encrypted and signed. Without
// one, only the Verification Token in the body can be checked. If the entry has both, both are checked. A signed
// timestamp may be hours old: Feishu repeats a delivery for 6 hours, and does not document whether it signs it again.
type feishu struct {
	encryptKey string
	token      string
}

func readFeishu(m *members) scheme {
	var f feishu
	if m.raw.Has("encrypt_key") {
		if f.encryptKey = m.key("encrypt_key"); len(f.encryptKey) < shortestKey {
			m.fault("encrypt_key", tooShort, len(f.encryptKey), shortestKey)
		}
	}
	if m.raw.Has("verification_token") {
		f.token = m.key("verification_token")
	}
	if f == (feishu{}) {
		m.fault("encrypt_key", "missing: give it, or verification_token")
	}
	return f
}

// feishuMapping: the status "took effect" is 3 in the newer of the two offboarding events and 5 in the older one,
// where 3 has another meaning (Feishu open platform, "Offboarding status updated").
var feishuMapping = mapping{
	left: rules{
		newRule(`{"header.event_type":["contact.user.deleted_v3","corehr.employment.resigned_v1"]}`),
		newRule(`{"header.event_type":["corehr.offboarding.status_updated_v2"],"event.status":[3]}`),
		newRule(`{"header.event_type":["corehr.offboarding.updated_v1"],"event.status":[5]}`),
	},
	id:   paths{"header.event_id", "uuid"},
	time: paths{"header.create_time"},
}

// open answers a challenge (url_verification) if it is encrypted with the key or has the token. It needs no signature:
// it changes nothing, and Feishu's SDKs expect none. Every other event is verified by all that the entry has: the
// token, and with an Encrypt Key the signature and the encryption.
func (f feishu) open(r *http.Request, body []byte, now time.Time) (message, error) {
	given, signed := single(r.Header.Values("X-Lark-Signature"))
	signed = signed && f.encryptKey != ""
	if signed && !equal(f.sign(r.Header, body), given) {
		return message{}, notVerified("the signature does not fit encrypt_key")
	}
	if signed {
		if err := checkAge(r.Header.Get("X-Lark-Request-Timestamp"), now); err != nil {
			return message{}, err
		}
	}
	text, err := readJSON(body)
	sealed := gjson.GetBytes(text, "encrypt")
	encrypted := sealed.Exists()
	switch {
	case encrypted && f.encryptKey == "":
		return message{}, notVerified("encrypted, and the entry has no encrypt_key")
	case encrypted:
		if text, err = f.decrypt(sealed.Str); err != nil {
			return message{}, err
		}
		text, err = readJSON(text)
	}
	event := gjson.ParseBytes(text)
	challenge := event.Get("type").Str == "url_verification"
	token := cmp.Or(event.Get("header.token").Str, event.Get("token").Str) // schema 2.0, or the older one
	switch {
	case err != nil && signed:
		return message{err: err}, nil
	case err != nil && encrypted:
		return message{}, errSealed // another error would reveal that the padding was correct
	case err != nil:
		return message{}, notVerified(err.Error())
	case f.token != "" && !equal(f.token, token):
		return message{}, notVerified("the token is not verification_token")
	case challenge && (encrypted || f.token != ""):
		reply, _ := strictjson.Marshal(map[string]string{"challenge": event.Get("challenge").Str}) // valid UTF-8
		return handshake(jsonReply(reply)), nil
	case f.encryptKey != "" && (!signed || !encrypted):
		return message{}, notVerified("not signed, or not encrypted, although the entry has an encrypt_key")
	}
	return message{body: text}, nil
}

// sign returns the hexadecimal SHA-256 of timestamp, nonce, key and raw body.
func (f feishu) sign(header http.Header, body []byte) string {
	text := header.Get("X-Lark-Request-Timestamp") + header.Get("X-Lark-Request-Nonce") + f.encryptKey + string(body)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// decrypt decrypts AES-256-CBC. The key is the SHA-256 of the Encrypt Key. The first block is the initialization
// vector. In CBC it affects only the next block, so it is decrypted like text, with a vector of zeros, and removed.
func (f feishu) decrypt(sealed string) ([]byte, error) {
	key := sha256.Sum256([]byte(f.encryptKey))
	text, err := decryptCBC(key[:], make([]byte, aes.BlockSize), sealed, aes.BlockSize)
	if err != nil || len(text) < aes.BlockSize {
		return nil, errSealed
	}
	return text[aes.BlockSize:], nil
}
