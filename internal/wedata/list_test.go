package wedata_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"wedata-unbind/internal/wedata"
)

func TestQueryBindListKeepsWhatIsAskedFor(t *testing.T) {
	body := `{"errcode":0,"info":[{"uid":"E1","is_bind":1,"nickname":"a"},{"uid":"E2","is_bind":1,"nickname":7},{"uid":"E3","is_bind":0}]}`
	client := serve(t, replying(200, "application/json", body), wedata.Config{})
	for _, row := range []struct {
		keep string
		want []wedata.Binding
	}{
		{"E1 E3", []wedata.Binding{{UID: "E1", Bound: true, Nickname: "a"}, {UID: "E3"}}},
		{"E9", []wedata.Binding{}},
	} {
		got, err := client.QueryBindList(t.Context(), token, func(uid string) bool { return strings.Contains(row.keep, uid) })
		if err != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: got %+v, %v", row.keep, got, err)
		}
	}
}

// Nothing of a list counts before errcode, which may stand behind it.
func TestAnErrcodeBehindTheList(t *testing.T) {
	for _, info := range []string{`[{"uid":"E1","is_bind":1}]`, `[{"uid":"E1"}]`, `"E1"`} {
		client := serve(t, replying(200, "", `{"info":`+info+`,"errcode":48001}`), wedata.Config{})
		list, err := client.QueryBindList(t.Context(), token, nil)
		if e := failure(t, err); list != nil || e.Class != wedata.PermissionMissing {
			t.Errorf("%s: got %v, %v", info, list, err)
		}
	}
}

// BenchmarkBindList reads a list of 12 MB.
func BenchmarkBindList(b *testing.B) {
	var list strings.Builder
	list.WriteString(`{"errcode":0,"errmsg":"ok","info":[{"uid":"first","is_bind":1}`)
	for i := 0; list.Len() < 12<<20; i++ {
		fmt.Fprintf(&list, `,{"uid":"E%06d","create_time":1663728070,"update_time":1663728119,"nickname":"微信用户",`+
			`"head_url":"http://wx.qlogo.cn/mmhead/0","is_bind":1,`+
			`"perm":[{"perm_id":"10001","name":"全站只读","desc":"可查看所有模块"}]}`, i)
	}
	list.WriteString("]}")
	body := []byte(list.String())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	defer server.Close()
	client, err := wedata.New(wedata.Config{BaseURL: server.URL})
	if err != nil {
		b.Fatal(err)
	}
	for name, keep := range map[string]func(string) bool{
		"keep one": func(uid string) bool { return uid == "first" },
		"keep all": nil,
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if got, err := client.QueryBindList(b.Context(), token, keep); err != nil || len(got) == 0 {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}
