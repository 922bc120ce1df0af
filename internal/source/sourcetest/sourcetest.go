// Package sourcetest sends events as HR systems do: signed, encrypted and wrapped the way each vendor documents it,
// with none of the code that verifies them. It is for tests and never part of the function.
package sourcetest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Request is what a vendor sends.
type Request struct {
	Method string
	Query  url.Values
	Header http.Header
	Body   []byte
}

// nonce has digits alone, as those of WeCom have: next to a timestamp they can become part of it.
const nonce = "163014780"

func post(body []byte, headers ...string) Request {
	r := Request{Method: http.MethodPost, Query: url.Values{}, Header: http.Header{}, Body: body}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// Event returns the request as an HTTP API hands it to a function (payload format 2.0): names in lower case, the
// values of a repeated header joined by commas, the body in base64.
func (r Request) Event(path string) []byte {
	headers := map[string]string{}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	event, _ := json.Marshal(map[string]any{ // strings always marshal
		"version": "2.0", "rawPath": path, "rawQueryString": r.Query.Encode(), "headers": headers,
		"requestContext": map[string]any{"http": map[string]any{"method": r.Method, "path": path}},
		"body":           base64.StdEncoding.EncodeToString(r.Body), "isBase64Encoded": true,
	})
	return event
}

// StandardWebhooks signs with a key of the form whsec_….
func StandardWebhooks(key string, at time.Time, body []byte) Request {
	secret, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(key, "whsec_"))
	stamp := strconv.FormatInt(at.Unix(), 10)
	sum := sum256(secret, []byte("msg_1."+stamp+"."), body)
	signature := "v1," + base64.StdEncoding.EncodeToString(sum)
	return post(body, "Webhook-Id", "msg_1", "Webhook-Timestamp", stamp, "Webhook-Signature", signature)
}

// HMAC signs the body alone, in hexadecimal.
func HMAC(key, header string, body []byte) Request {
	return post(body, header, hex.EncodeToString(sum256([]byte(key), body)))
}

// Bearer sends the key in the header Authorization.
func Bearer(key string, body []byte) Request { return post(body, "Authorization", "Bearer "+key) }

// Okta sends the key as an event hook does.
func Okta(key string, body []byte) Request { return post(body, "Authorization", key) }

// OktaChallenge returns the GET by which Okta verifies an address.
func OktaChallenge(key, challenge string) Request {
	r := post(nil, "Authorization", key, "X-Okta-Verification-Challenge", challenge)
	r.Method = http.MethodGet
	return r
}

// Feishu encrypts an event with the Encrypt Key and signs it.
func Feishu(encryptKey string, at time.Time, event []byte) Request {
	return SignFeishu(encryptKey, at, SealFeishu(encryptKey, event))
}

// SealFeishu returns the body of an encrypted event.
func SealFeishu(encryptKey string, event []byte) []byte {
	key := sha256.Sum256([]byte(encryptKey))
	iv := bytes.Repeat([]byte{42}, aes.BlockSize)
	body, _ := json.Marshal(map[string]string{
		"encrypt": base64.StdEncoding.EncodeToString(append(bytes.Clone(iv), encrypt(key[:], iv, event, aes.BlockSize)...)),
	})
	return body
}

// SignFeishu signs a body as it is, encrypted or not.
func SignFeishu(encryptKey string, at time.Time, body []byte) Request {
	stamp := strconv.FormatInt(at.Unix(), 10)
	sum := sha256.Sum256([]byte(stamp + nonce + encryptKey + string(body)))
	return post(body, "X-Lark-Request-Timestamp", stamp, "X-Lark-Request-Nonce", nonce,
		"X-Lark-Signature", hex.EncodeToString(sum[:]))
}

// DingTalk encrypts an event to its owner and signs it.
func DingTalk(token, aesKey, owner string, at time.Time, event []byte) Request {
	sealed := Seal(aesKey, owner, event)
	body, _ := json.Marshal(map[string]string{"encrypt": sealed})
	r := post(body)
	r.Query = SHA1(token, at, sealed)
	return r
}

// WeCom encrypts a message to its owner and signs it.
func WeCom(token, aesKey, owner string, at time.Time, message []byte) Request {
	sealed := Seal(aesKey, owner, message)
	const form = "<xml><ToUserName><![CDATA[%s]]></ToUserName><Encrypt><![CDATA[%s]]></Encrypt></xml>"
	r := post(fmt.Appendf(nil, form, owner, sealed), "Content-Type", "text/xml")
	r.Query = SHA1(token, at, sealed)
	return r
}

// WeComEcho returns the GET by which WeCom verifies an address.
func WeComEcho(token, aesKey, owner string, at time.Time, echo string) Request {
	sealed := Seal(aesKey, owner, []byte(echo))
	r := post(nil)
	r.Method, r.Query = http.MethodGet, SHA1(token, at, sealed)
	r.Query.Set("echostr", sealed)
	return r
}

// SHA1 returns the query with which DingTalk and WeCom sign what is encrypted.
func SHA1(token string, at time.Time, sealed string) url.Values {
	stamp := strconv.FormatInt(at.Unix(), 10)
	parts := []string{token, stamp, nonce, sealed}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	return url.Values{"msg_signature": {hex.EncodeToString(sum[:])}, "timestamp": {stamp}, "nonce": {nonce}}
}

// Seal encrypts as DingTalk and WeCom do: 16 bytes, the length, the message, its owner, padded to 32 bytes.
func Seal(aesKey, owner string, message []byte) string {
	key, _ := base64.RawStdEncoding.DecodeString(aesKey)
	plain := binary.BigEndian.AppendUint32([]byte("0123456789abcdef"), uint32(len(message)))
	plain = append(append(plain, message...), owner...)
	return base64.StdEncoding.EncodeToString(encrypt(key, key[:aes.BlockSize], plain, 32))
}

// encrypt pads as PKCS #7 does it, to a multiple of block, and encrypts by AES-CBC.
func encrypt(key, iv, plain []byte, block int) []byte {
	padding := block - len(plain)%block
	text := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(padding)}, padding)...)
	c, _ := aes.NewCipher(key) // 32 bytes
	cipher.NewCBCEncrypter(c, iv).CryptBlocks(text, text)
	return text
}

func sum256(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(nil)
}
