package source

import (
	"crypto/aes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/tidwall/gjson"
)

// feishu is an event subscription of Feishu or Lark. With an Encrypt Key every event is encrypted and signed; without one,
// the Verification Token in the body is all there is. Where the entry gives both, both are checked.
//
// There is no age check: Feishu repeats a delivery for hours, and does not document whether it is signed anew.
type feishu struct {
	encryptKey string
	token      string
}

func readFeishu(m *members) scheme {
	f := feishu{encryptKey: m.text("encrypt_key"), token: m.text("verification_token")}
	if f == (feishu{}) {
		m.fault("encrypt_key", "missing: give it, or verification_token")
	}
	return f
}

// feishuMapping: the numbering of status differs between the two offboarding events (Feishu open platform, "Offboarding
// status updated"): what means "took effect" is 3 in the newer one and 5 in the older one, where 3 means something else.
var feishuMapping = mapping{
	left: rules{
		{oneOf("header.event_type", "contact.user.deleted_v3", "corehr.employment.resigned_v1")},
		{oneOf("header.event_type", "corehr.offboarding.status_updated_v2"), oneOf("event.status", 3)},
		{oneOf("header.event_type", "corehr.offboarding.updated_v1"), oneOf("event.status", 5)},
	},
	id:   paths{"header.event_id", "uuid"},
	time: paths{"header.create_time"},
}

// open answers a challenge (url_verification) on one proof, since it changes nothing: that it was encrypted with the key,
// or that it shows the token. Feishu does not sign it, as its own SDKs have it. Everything else has to show all proofs.
func (f feishu) open(r Request, _ time.Time) (message, error) {
	given, signed := single(r.Header.Values("X-Lark-Signature"))
	if f.encryptKey != "" && signed && !equal(f.sign(r), given) {
		return message{}, notVerified("the signature does not fit encrypt_key")
	}
	body, encrypted, err := f.plaintext(r.Body)
	if err != nil {
		return message{}, err
	}
	event := gjson.ParseBytes(body)
	challenge := event.Get("type").Str == "url_verification"
	switch {
	case f.token != "" && !equal(f.token, tokenOf(event)):
		return message{}, notVerified("the token is not verification_token")
	case challenge && (encrypted || f.token != ""):
		reply, err := json.Marshal(map[string]string{"challenge": event.Get("challenge").Str})
		return handshake(jsonReply(reply)), err
	case f.encryptKey != "" && (!signed || !encrypted):
		return message{}, notVerified("not signed, or not encrypted, although there is an encrypt_key")
	}
	return message{body: body, reply: counts}, nil
}

// sign returns the hexadecimal SHA-256 of timestamp, nonce, key and raw body.
func (f feishu) sign(r Request) string {
	text := r.Header.Get("X-Lark-Request-Timestamp") + r.Header.Get("X-Lark-Request-Nonce") + f.encryptKey
	sum := sha256.Sum256(append([]byte(text), r.Body...))
	return hex.EncodeToString(sum[:])
}

// plaintext returns the body as JSON, and whether it was encrypted. It errs with ErrNotVerified.
func (f feishu) plaintext(raw []byte) (body []byte, encrypted bool, err error) {
	if body, err = strictJSON(raw); err != nil {
		return nil, false, notVerified(err.Error())
	}
	sealed := gjson.GetBytes(body, "encrypt")
	if !sealed.Exists() {
		return body, false, nil
	}
	if f.encryptKey == "" {
		return nil, true, notVerified("encrypted, and the entry has no encrypt_key")
	}
	text, err := f.decrypt(sealed.Str)
	if err != nil {
		return nil, true, err
	}
	if body, err = strictJSON(text); err != nil {
		return nil, true, errSealed // nobody is to learn that the padding was right
	}
	return body, true, nil
}

// decrypt undoes AES-256-CBC: the key is the SHA-256 of the Encrypt Key, the first block the initialization vector. (In CBC
// a vector only touches the block after it: deciphered as if it were text, it is one more block, to be cut off.)
func (f feishu) decrypt(sealed string) ([]byte, error) {
	key := sha256.Sum256([]byte(f.encryptKey))
	text, err := decryptCBC(key[:], make([]byte, aes.BlockSize), sealed, aes.BlockSize)
	if err != nil || len(text) < aes.BlockSize {
		return nil, errSealed
	}
	return text[aes.BlockSize:], nil
}

// tokenOf returns the token of an event, whose place depends on its schema.
func tokenOf(event gjson.Result) string {
	if token := event.Get("header.token"); token.Exists() {
		return token.Str
	}
	return event.Get("token").Str
}
