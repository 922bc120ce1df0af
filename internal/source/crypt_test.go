package source

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"testing"
	"testing/quick"
)

// vectors are what the vendors published: the samples of WeCom's WXBizMsgCrypt, DingTalk's documentation of callbacks, and
// open-dingtalk/DingTalk-Callback-Crypto.
var vectors = []struct {
	name, token, aesKey, owner          string
	signature, timestamp, nonce, sealed string
	message                             string
}{
	{
		name: "WeCom, echostr", token: "QDG6eK", aesKey: "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", owner: "wx5823bf96d3bd56c7",
		signature: "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3", timestamp: "1409659589", nonce: "263014780",
		sealed:  "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
		message: "1616140317555161061",
	},
	{
		name: "WeCom, message", token: "QDG6eK", aesKey: "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", owner: "wx5823bf96d3bd56c7",
		signature: "477715d11cdb4164915debcba66cb864d751f3e6", timestamp: "1409659813", nonce: "1372623149",
		sealed:  "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q==",
		message: "<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>\n<FromUserName><![CDATA[mycreate]]></FromUserName>\n<CreateTime>1409659813</CreateTime>\n<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[hello]]></Content>\n<MsgId>4561255354251345929</MsgId>\n<AgentID>218</AgentID>\n</xml>",
	},
	{
		name: "DingTalk, suite", token: "123456", aesKey: "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij", owner: "suite4xxxxxxxxxxxxxxx",
		signature: "5a65ceeef9aab2d149439f82dc191dd6c5cbe2c0", timestamp: "1445827045067", nonce: "nEXhMP4r",
		sealed:  "1a3NBxmCFwkCJvfoQ7WhJHB+iX3qHPsc9JbaDznE1i03peOk1LaOQoRz3+nlyGNhwmwJ3vDMG+OzrHMeiZI7gTRWVdUBmfxjZ8Ej23JVYa9VrYeJ5as7XM/ZpulX8NEQis44w53h1qAgnC3PRzM7Zc/D6Ibr0rgUathB6zRHP8PYrfgnNOS9PhSBdHlegK+AGGanfwjXuQ9+0pZcy0w9lQ==",
		message: `{"EventType":"check_create_suite_url","Random":"LPIdSnlF","TestSuiteKey":"suite4xxxxxxxxxxxxxxx"}`,
	},
	{
		name: "DingTalk, own app", token: "mryue", aesKey: "Yue0EfdN5900c1ce5cf6A152c63DDe1808a60c5ecd7", owner: "ding6ccabc44d2c8d38b",
		signature: "03044561471240d4a14bb09372dfcfd4fd0e40cb", timestamp: "1608001896814", nonce: "WL4PK6yA",
		sealed:  "0vJiX6vliEpwG3U45CtXqi+m8PXbQRARJ8p8BbDuD1EMTDf0jKpQ79QS93qEk7XHpP6u+oTTrd15NRPvNvmBKyDCYxxOK+HZeKju4yhELOFchzNukR+t8SB/qk4ROMu3",
		message: `{"EventType":"check_url"}`,
	},
}

func newCallback(t testing.TB, token, aesKey string, owners ...string) callback {
	t.Helper()
	key, err := base64.RawStdEncoding.DecodeString(aesKey)
	if err != nil {
		t.Fatal(err)
	}
	return callback{token: token, key: key, owners: owners}
}

func TestCallbackOpensWhatVendorsPublished(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			c := newCallback(t, v.token, v.aesKey, "another", v.owner)
			query := url.Values{"signature": {v.signature}, "timestamp": {v.timestamp}, "nonce": {v.nonce}}
			message, owner, err := c.open(query, v.sealed)
			if string(message) != v.message || owner != v.owner || err != nil {
				t.Errorf("got %q, %q, %v", message, owner, err)
			}
		})
	}
}

func TestCallbackSealsAsVendorsPublished(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			c := newCallback(t, v.token, v.aesKey, v.owner)
			plain, err := decryptCBC(c.key, c.key[:16], v.sealed, sealedBlock)
			if err != nil {
				t.Fatal(err)
			}
			if sealed := c.seal(string(plain[:16]), v.message, v.owner); sealed != v.sealed {
				t.Errorf("got %s", sealed)
			}
		})
	}
}

// The example of Feishu's documentation of the Encrypt Key.
func TestFeishuDecryptsWhatItPublished(t *testing.T) {
	text, err := feishu{encryptKey: "test key"}.decrypt("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=")
	if string(text) != "hello world" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestCallbackOpensWhatItSealed(t *testing.T) {
	c := newCallback(t, "token", vectors[0].aesKey, "corp", "suite")
	property := func(message, timestamp, nonce string, suite bool) bool {
		timestamp, nonce = "1"+timestamp, "1"+nonce
		owner := "corp"
		if suite {
			owner = "suite"
		}
		sealed := c.seal("0123456789abcdef", message, owner)
		query := url.Values{"msg_signature": {c.sign(timestamp, nonce, sealed)}, "timestamp": {timestamp}, "nonce": {nonce}}
		opened, got, err := c.open(query, sealed)
		return string(opened) == message && got == owner && err == nil
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 300}); err != nil {
		t.Error(err)
	}
}

// encryptCBC pads nothing: it is for plaintexts that are wrong in some way.
func encryptCBC(t testing.TB, key, iv, plain []byte) string {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, plain)
	return base64.StdEncoding.EncodeToString(out)
}

func TestFaultsInsideTellNothingApart(t *testing.T) {
	c := newCallback(t, "token", vectors[0].aesKey, "corp", "cor\x00")
	plain := func(tail string) []byte {
		return []byte("0123456789abcdef" + "\x00\x00\x00\x02hi" + tail)
	}
	sealed := func(plain []byte) string { return encryptCBC(t, c.key, c.key[:16], plain) }
	fill := func(b byte, n int) string { return string(bytes.Repeat([]byte{b}, n)) }
	good := sealed(plain("corp" + fill(6, 6)))
	for name, text := range map[string]string{
		"not base64":                   "%%%" + good,
		"no whole block":               good[:8],
		"another owner":                sealed(plain("korp" + fill(6, 6))),
		"no owner":                     sealed(plain(fill(10, 10))),
		"padding of 0, and the owner":  sealed([]byte("0123456789abcdef" + "\x00\x00\x00\x08messages" + "cor\x00")),
		"padding longer than allowed":  sealed(append(plain("corp"+fill(38, 6)), fill(38, 32)...)),
		"padding longer than the text": sealed([]byte(fill(17, 16))),
		"padding not all the same":     sealed(plain("corp" + "\x01\x02\x03\x04\x05\x06")),
		"shorter than its header":      sealed([]byte(fill(16, 16))),
		"a length beyond the end":      sealed([]byte("0123456789abcdef" + "\xff\xff\xff\xffhicorp" + fill(6, 6))),
	} {
		t.Run(name, func(t *testing.T) {
			query := url.Values{"signature": {c.sign("1", "2", text)}, "timestamp": {"1"}, "nonce": {"2"}}
			if message, _, err := c.open(query, text); message != nil || !errors.Is(err, errSealed) || err.Error() != errSealed.Error() {
				t.Errorf("got %q, %v, want the one error", message, err)
			}
		})
	}
	query := url.Values{"signature": {c.sign("1", "2", good)}, "timestamp": {"1"}, "nonce": {"2"}}
	if message, _, err := c.open(query, good); string(message) != "hi" || err != nil {
		t.Errorf("the good one: got %q, %v", message, err)
	}
}

func FuzzDecryptCBC(f *testing.F) {
	key := bytes.Repeat([]byte{7}, 32)
	f.Add([]byte("0123456789abcdef0123456789abcde\x01"))
	f.Add(bytes.Repeat([]byte{16}, 16))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		sealed := base64.StdEncoding.EncodeToString(plain)
		if len(plain)%aes.BlockSize == 0 {
			sealed = encryptCBC(t, key, key[:16], plain)
		}
		text, err := decryptCBC(key, key[:16], sealed, sealedBlock)
		switch {
		case err != nil && (text != nil || !errors.Is(err, errSealed)):
			t.Errorf("got %q with %v", text, err)
		case err == nil && (len(text) >= len(plain) || !bytes.HasPrefix(plain, text)):
			t.Errorf("got %q of %q", text, plain)
		}
		if _, _, err := (callback{token: "t", key: key, owners: []string{""}}).open(url.Values{
			"signature": {callback{token: "t"}.sign("1", "1", sealed)}, "timestamp": {"1"}, "nonce": {"1"},
		}, sealed); err != nil && !errors.Is(err, ErrNotVerified) {
			t.Error(err)
		}
	})
}

func TestEqual(t *testing.T) {
	for _, pair := range [][2]string{{"", "a"}, {"a", "b"}, {"a", "aa"}} {
		if equal(pair[0], pair[1]) {
			t.Errorf("%q equals %q", pair[0], pair[1])
		}
	}
	if !slices.ContainsFunc([]string{"same"}, func(s string) bool { return equal(s, "same") }) {
		t.Error("a text does not equal itself")
	}
}
