package wedata

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// A reply is a success or a fault, never both. A success has errcode 0 in JSON. No fault holds a secret.
func FuzzReply(f *testing.F) {
	const token, uid = "61_secret-T0ken", "E1001@example.com"
	for _, name := range []string{"testdata/unbind.json", "testdata/bind_list.json"} {
		documented, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(200, documented)
	}
	for _, body := range []string{
		"", "null", "[]", "<html>", `{"errcode":0`, `{"errcode":0}{}`, `{"errcode":"0"}`, `{"errcode":0,"info":[null]}`,
		`{"errcode":40001,"errmsg":"61_secret-T0ken, rid: 6389a6d5-4b4a6e7d-1f7d2a5e"}`,
		`{"errcode":-1,"errmsg":"E1001%40example.com 61_secret` + "\u202e" + `-T0ken"}`,
		`{"errcode":-1,"errmsg":"61_secret rid:6389a6d5-4b4a6e7d-1f7d2a5e-T0ken"}`,
	} {
		f.Add(200, []byte(body))
		f.Add(502, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		op := operation{name: "unbind user", token: token, uid: uid, limit: 1 << 20}
		_, err := op.readReply(&http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body))})
		op.list = true
		list, listErr := op.readReply(&http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body))})
		if (listErr == nil) == (list == nil) || err != nil && listErr == nil {
			t.Fatalf("list %v with error %v, and without a list %v", list, listErr, err)
		}
		if err == nil {
			var reply struct{ Errcode int }
			if json.Unmarshal(body, &reply) != nil || status < 200 || status > 299 || reply.Errcode != 0 {
				t.Fatalf("HTTP %d %q is a success", status, body)
			}
			return
		}
		fault, ok := errors.AsType[*Error](err)
		if !ok {
			t.Fatalf("%v is not an *Error", err)
		}
		text := fault.Error()
		if strings.Contains(text, token) || strings.Contains(text, uid) || strings.ContainsAny(text, "\r\n") || !utf8.ValidString(text) {
			t.Fatalf("the error is %q", text)
		}
		if len(fault.Msg) > maxMsg || (fault.Class == Unclear) != (fault.Code == 0) || fault.HTTPStatus != status {
			t.Fatalf("the fault is %+v", fault)
		}
	})
}
