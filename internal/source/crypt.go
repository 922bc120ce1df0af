package source

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // DingTalk and WeCom sign with it
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
)

// errSealed is the one error for all faults inside an encrypted text. Different errors would help to guess padding and owner.
var errSealed = notVerified("the encrypted text does not fit this key, or is meant for another owner")

// callback is the cipher that DingTalk and WeCom share (WeCom developer center, "Encryption and decryption scheme"; DingTalk
// open platform, "Event subscription"). The signature is a SHA-1 over the token and the encrypted text. AES-256-CBC encrypts
//
//	16 random bytes, the message's length in 4 big-endian bytes, the message, the key of its owner
//
// padded as in PKCS #7, to blocks of 32 bytes. There is no age check: neither vendor documents whether a repeated delivery
// is signed anew.
type callback struct {
	token  string
	key    []byte
	owners []string
	random io.Reader
}

func readCallback(m *members) callback {
	return callback{
		token: m.need("token"), key: m.aesKey("aes_key"), owners: m.texts("owner_keys"), random: rand.Reader,
	}
}

const (
	sealedBlock  = 32 // padding fills blocks twice as long as those of AES
	sealedHeader = 16 + 4
)

// open verifies the signature in the query over the encrypted text, and returns the message and its owner. It errs with
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
	length := binary.BigEndian.Uint32(text[16:])
	text = text[sealedHeader:]
	if uint64(length) > uint64(len(text)) || !slices.Contains(c.owners, string(text[length:])) {
		return nil, "", errSealed
	}
	return text[:length], string(text[length:]), nil
}

// seal encrypts a message to its owner.
func (c callback) seal(text, owner string) (string, error) {
	plain := make([]byte, 16, sealedHeader+len(text)+len(owner)+sealedBlock)
	if _, err := io.ReadFull(c.random, plain); err != nil {
		return "", err
	}
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(text))) //nolint:gosec // our own short texts
	plain = append(append(plain, text...), owner...)
	padding := sealedBlock - len(plain)%sealedBlock
	plain = append(plain, bytes.Repeat([]byte{byte(padding)}, padding)...)
	block, err := aes.NewCipher(c.key)
	if err != nil {
		return "", err
	}
	cipher.NewCBCEncrypter(block, c.key[:aes.BlockSize]).CryptBlocks(plain, plain)
	return base64.StdEncoding.EncodeToString(plain), nil
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
	if err != nil || len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return nil, errSealed
	}
	block, err := aes.NewCipher(key)
	if err != nil {
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

// equal compares in a time that depends neither on the contents nor on the lengths.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// single returns the only value. It returns false where the value is empty, or there are two: either could be meant.
func single(values []string) (string, bool) {
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}

// decodeHex and decodeBase64 drop the decoder's error, which would quote the key.
func decodeHex(s string) ([]byte, error) {
	key, err := hex.DecodeString(s)
	if err != nil {
		return nil, errors.New("is not hexadecimal")
	}
	return key, nil
}

// decodeBase64 reads base64 of either alphabet, padded or not.
func decodeBase64(s string) ([]byte, error) {
	key, err := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(unpadded(s)))
	if err != nil {
		return nil, errors.New("is not base64")
	}
	return key, nil
}
