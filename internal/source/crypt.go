package source

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1" //nolint:gosec // DingTalk and WeCom sign with it
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// errSealed is the error for every fault of an encrypted text. Different errors would help to guess the padding.
var errSealed = notVerified("the encrypted text does not fit this key, or is meant for another owner")

// callback is the cipher that DingTalk and WeCom share (WeCom developer center, "Encryption and decryption scheme";
// DingTalk open platform, "Event subscription"). The signature is a SHA-1 over the token and the encrypted text.
// AES-256-CBC encrypts
//
//	16 random bytes, the message's length in 4 big-endian bytes, the message, the key of its owner
//
// padded as in PKCS #7, to blocks of 32 bytes.
type callback struct {
	token  string
	key    []byte
	owners []string
}

func readCallback(m *members) callback {
	return callback{token: m.key("token"), key: m.aesKey("aes_key"), owners: m.texts("owner_keys")}
}

const (
	sealedRandom = 16
	sealedHeader = sealedRandom + 4
	sealedBlock  = 32 // padding fills blocks twice as long as those of AES
)

// farthest is how far from now a signed timestamp of Feishu, DingTalk or WeCom may be. These vendors repeat deliveries
// for hours, and do not document whether they sign them again. They sign the timestamp and the nonce without a
// separator: an attacker could move digits from the nonce to the timestamp of a recorded request, which gives a time
// in the far future.
const farthest = 24 * time.Hour

func checkAge(timestamp string, now time.Time) error {
	sent, err := instant(timestamp)
	switch {
	case err != nil:
		return notVerified("the timestamp is not a time")
	case now.Sub(sent).Abs() > farthest:
		return notVerified(fmt.Sprintf("the timestamp is more than %.0f hours away from now", farthest.Hours()))
	}
	return nil
}

// openFresh calls open, and refuses a message whose timestamp is too far from now.
func (c callback) openFresh(query url.Values, sealed string, now time.Time) ([]byte, string, error) {
	text, owner, err := c.open(query, sealed)
	if err == nil {
		err = checkAge(query.Get("timestamp"), now)
	}
	if err != nil {
		return nil, "", err
	}
	return text, owner, nil
}

// open verifies the signature in the query and decrypts the text. It returns the message and its owner, or
// ErrNotVerified.
func (c callback) open(query url.Values, sealed string) ([]byte, string, error) {
	signatures := query["msg_signature"]
	if len(signatures) == 0 {
		signatures = query["signature"] // DingTalk's older name, which it may send beside the new one
	}
	given, ok1 := single(signatures)
	timestamp, ok2 := single(query["timestamp"])
	nonce, ok3 := single(query["nonce"])
	if !ok1 || !ok2 || !ok3 || sealed == "" {
		return nil, "", notVerified("signature, timestamp, nonce or encrypted text is missing, or stands twice")
	}
	if !equal(c.sign(timestamp, nonce, sealed), given) {
		return nil, "", notVerified("the signature does not fit the token")
	}
	text, err := decryptCBC(c.key, c.key[:aes.BlockSize], sealed, sealedBlock)
	if err != nil || len(text) < sealedHeader {
		return nil, "", errSealed
	}
	length, text := binary.BigEndian.Uint32(text[sealedRandom:]), text[sealedHeader:]
	if uint64(length) > uint64(len(text)) || !slices.Contains(c.owners, string(text[length:])) {
		return nil, "", errSealed
	}
	return text[:length], string(text[length:]), nil
}

// seal encrypts sealedRandom random bytes, a message and its owner.
func (c callback) seal(random, text, owner string) string {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(text))) //nolint:gosec // our own short texts
	plain := slices.Concat([]byte(random), length, []byte(text), []byte(owner))
	padding := sealedBlock - len(plain)%sealedBlock
	plain = append(plain, bytes.Repeat([]byte{byte(padding)}, padding)...)
	block, _ := aes.NewCipher(c.key) // aesKey returns 32 bytes
	cipher.NewCBCEncrypter(block, c.key[:aes.BlockSize]).CryptBlocks(plain, plain)
	return base64.StdEncoding.EncodeToString(plain)
}

// sign returns the hexadecimal SHA-1 of the parts, sorted and joined.
func (c callback) sign(timestamp, nonce, sealed string) string {
	parts := []string{c.token, timestamp, nonce, sealed}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // the vendors' choice
	return hex.EncodeToString(sum[:])
}

// decryptCBC decodes base64, decrypts AES-CBC and removes a padding of at most longest bytes. It errs with errSealed.
func decryptCBC(key, iv []byte, sealed string, longest int) ([]byte, error) {
	text, err := base64.StdEncoding.DecodeString(sealed)
	block, keyErr := aes.NewCipher(key)
	if err != nil || keyErr != nil || len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return nil, errSealed
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(text, text)
	padding := int(text[len(text)-1])
	if padding == 0 || padding > min(longest, len(text)) {
		return nil, errSealed
	}
	text, tail := text[:len(text)-padding], text[len(text)-padding:]
	if !bytes.Equal(tail, bytes.Repeat(tail[:1], padding)) {
		return nil, errSealed
	}
	return text, nil
}

// equal compares two texts by their hashes, in a time that does not show where the texts differ.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// anyEqual compares every given text with every wanted one.
func anyEqual(given, wanted []string) bool {
	found := false
	for _, g := range given {
		for _, want := range wanted {
			found = equal(g, want) || found
		}
	}
	return found
}

// single returns the only value. It returns false where the value is empty, or where there are several.
func single(values []string) (string, bool) {
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}
