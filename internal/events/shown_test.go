package events_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wedata-unbind/internal/lambdatest/canary"
	"wedata-unbind/internal/source/sourcetest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// What must not be shown. The searches find them also in a URL, in base64, in hexadecimal or backwards.
const (
	leaver    = "liu.wei+8842@shop.example"
	pasted    = leaked + "Qe4Wm1Zc8Vx6Bt0Yj5Kp2Nf7Da3Hs9Lu" + "-Gi4Er8Tw1Oq6Mz2Cx5Vb9Ny3Jk7" // as long as WeChat's
	salary    = "SaLaRy-93kQz7Vw2Xm5pLd"
	vendorKey = "vN5-dJ8!fC3*hT6^gS9)aZ1"
	webhookID = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	aesKey    = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
)

// watchedSources have a key in each scheme.
const watchedSources = `{
	"hr": {"scheme":"hmac","keys":["` + key + `"],"header":"X-Signature","encoding":"hex"},
	"unbind": {"scheme":"bearer","keys":["` + key + `"],"header":"Authorization"},
	"webhooks": {"scheme":"standard-webhooks","keys":["` + webhookID + `"]},
	"okta": {"scheme":"okta","keys":["` + vendorKey + `"],"each":"","left_when":{},"uid":"data.uid","id":"id"},
	"feishu": {"scheme":"feishu","encrypt_key":"` + vendorKey + `","left_when":{},"uid":"data.uid","id":"id"},
	"lark": {"scheme":"feishu","verification_token":"` + vendorKey + `","left_when":{},"uid":"data.uid","id":"id"},
	"dingtalk": {"scheme":"dingtalk","token":"` + vendorKey + `","aes_key":"` + aesKey + `","owner_keys":["suite"],
		"left_when":{},"uid":"data.uid","id":"id"},
	"wecom": {"scheme":"wecom","token":"` + vendorKey + `","aes_key":"` + aesKey + `","owner_keys":["suite"],"left_when":{},"uid":"data.uid","id":"id"}
}`

// watch searches all that a function shows.
type watch struct {
	// secrets are shown to nobody: the token, keys.
	secrets canary.Searcher
	// uids stand in the replies to a caller and in the bodies of messages, and nowhere else.
	uids canary.Searcher
	// body is what a payload holds beside the departure. It stands in a message where that is the payload as it came.
	body     canary.Searcher
	asItCame bool
}

// watching returns a watch of a bench with its token, the keys and the leaver.
func watching(b *bench) *watch {
	w := known()
	w.secrets, w.uids = w.secrets.Clone(), w.uids.Clone()
	w.secrets.AddParts("the token", b.token)
	return &w
}

// known is the watch of what is the same in all tests.
var known = sync.OnceValue(func() (w watch) {
	w.secrets.AddParts("a token that cannot be used", leaked)
	w.secrets.AddParts("a token in a wrong place", pasted)
	for _, k := range []string{key, vendorKey, strings.TrimPrefix(webhookID, "whsec_"), aesKey} {
		w.secrets.AddParts("a key", k)
	}
	for _, k := range []string{webhookID, aesKey + "="} {
		if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(k, "whsec_")); err == nil {
			w.secrets.AddParts("a decoded key", string(raw))
		}
	}
	w.uids.AddWhole("the uid", leaver)
	w.body.AddParts("the body", salary)
	return w
})

// check searches the log, the error, the reply and the messages.
func (w *watch) check(t *testing.T, b *bench, reply string, err error) {
	t.Helper()
	var log, bodies strings.Builder
	fmt.Fprintln(&log, b.log.String(), err)
	if strings.Contains(reply, `"statusCode":4`) || strings.Contains(reply, `"statusCode":5`) {
		log.WriteString(reply)
	}
	for _, m := range append(b.queue.Messages(), b.dead.Messages()...) {
		for name, a := range m.Attributes {
			fmt.Fprintln(&log, name, a.StringValue)
		}
		fmt.Fprintln(&bodies, m.Body)
	}
	shown := log.String()
	found := slices.Concat(w.secrets.Find(shown+reply+bodies.String()), w.uids.Find(shown), w.body.Find(shown+reply))
	if !w.asItCame {
		found = append(found, w.body.Find(bodies.String())...)
	}
	if len(found) > 0 {
		t.Errorf("shown: %s\n%s\nreply %s\nmessages %s", strings.Join(found, ", "), shown, reply, &bodies)
	}
}

// vendorWays are the ways in by the schemes with a key, and by requests that are not signed with it.
func vendorWays() []way {
	hook := func(name string, sign func(body []byte) sourcetest.Request) way {
		return way{"hook of " + name, func(t *testing.T, b *bench, payload string) (string, error) {
			reply, err := b.send(t, string(sign([]byte(payload)).Event("/hooks/"+name)))
			b.deliver(t)
			return reply, err
		}}
	}
	return []way{
		hook("hr", func(body []byte) sourcetest.Request { return sourcetest.HMAC(key, "X-Signature", body) }),
		hook("webhooks", func(body []byte) sourcetest.Request { return sourcetest.StandardWebhooks(webhookID, time.Now(), body) }),
		hook("okta", func(body []byte) sourcetest.Request { return sourcetest.Okta(vendorKey, body) }),
		hook("feishu", func(body []byte) sourcetest.Request { return sourcetest.Feishu(vendorKey, time.Now(), body) }),
		hook("lark", func(body []byte) sourcetest.Request {
			return sourcetest.Request{Method: "POST", Body: []byte(strings.Replace(string(body), "{", `{"token":"`+vendorKey+`",`, 1))}
		}),
		hook("dingtalk", func(body []byte) sourcetest.Request {
			return sourcetest.DingTalk(vendorKey, aesKey, "suite", time.Now(), body)
		}),
		hook("wecom", func(body []byte) sourcetest.Request {
			return sourcetest.WeCom(vendorKey, aesKey, "suite", time.Now(), body)
		}),
		// Somebody who almost has a key.
		hook("okta", func(body []byte) sourcetest.Request { return sourcetest.Okta(vendorKey+"x", body) }),
		hook("unbind", func(body []byte) sourcetest.Request { return sourcetest.Bearer(strings.ToUpper(key), body) }),
		hook("dingtalk", func(body []byte) sourcetest.Request {
			return sourcetest.DingTalk(vendorKey, strings.ToLower(aesKey), "suite", time.Now(), body)
		}),
		hook("wecom", func(body []byte) sourcetest.Request { return sourcetest.WeCom(key, aesKey, "suite", time.Now(), body) }),
		hook("feishu", func(body []byte) sourcetest.Request {
			return sourcetest.SignFeishu(vendorKey, time.Now(), body) // not encrypted
		}),
	}
}

// asItComes are the ways whose messages hold what the sender sent.
func asItComes(name string) bool { return !strings.HasPrefix(name, "hook") && name != "POST unbind" }

// A leaver's event with more in it than the function needs.
const fullEvent = `{"type":"employee.left","id":"evt-` + leaver + `","source":"hr-` + leaver + `","data":{"uid":"` + leaver + `","salary":"` + salary + `"}}`

// Whatever fails on whichever way in, the token, keys, the rest of a payload and whole uids stay where they belong.
func TestNothingSecretIsShownWhateverFails(t *testing.T) {
	named := func(name string, inject func(*bench)) fault { return fault{name: name, inject: inject} }
	secret := func(value string) func(*bench) { return func(b *bench) { b.secrets.Put(sourcesID, value) } }
	list := append(
		faults(),
		named("the sources' secret is missing", func(b *bench) { b.secrets.Delete(sourcesID) }),
		named("the sources' secret is empty", secret(" ")),
		named("the sources' secret is a token", secret(leaked)),
		named("the sources end too early", secret(watchedSources[:len(watchedSources)-20])),
		named("a key twice", secret(strings.Replace(watchedSources, `"keys"`, `"keys":["`+key+`"],"keys"`, 1))),
		named("a key as a scheme", secret(strings.ReplaceAll(watchedSources, `"scheme":"`, `"scheme":"`+key))),
		named("a key as a member", secret(strings.ReplaceAll(watchedSources, `"scheme"`, `"`+vendorKey+`":1,"scheme"`))),
		named("a key as the name of a source", secret(strings.ReplaceAll(watchedSources, `"hr"`, `"`+key+`"`))),
		named("a key as a merchant", secret(strings.ReplaceAll(watchedSources, `"scheme"`, `"merchants":["`+key+`"],"scheme"`))),
		named("a key as a header", secret(strings.ReplaceAll(watchedSources, `"X-Signature"`, `"`+key+`"`))),
		named("a key that is a number", secret(strings.ReplaceAll(watchedSources, `["`, `[12345678,"`))),
		named("people who are not texts", secret(strings.ReplaceAll(watchedSources, `"uid":"data.uid"`, `"uid":"data.uid","people":{"`+leaver+`":5}`))),
		named("people without the leaver", secret(strings.ReplaceAll(watchedSources, `"uid":"data.uid"`, `"uid":"data.uid","people":{"x":"y"}`))),
		named("a token of another merchant", func(b *bench) { b.index(t, map[string]string{"wxfedcba9876543210": b.token}) }),
		named("a token as a merchant", func(b *bench) { b.index(t, map[string]string{pasted: "x"}) }),
		named("a token as the name of a secret", func(b *bench) {
			b.secrets.Put(secretID, `{"authorizers":{"`+shop+`":{"secret_id":"`+pasted+`"}}}`)
		}),
		named("a token with a line break", func(b *bench) { b.putToken(b.token[:30] + `\n` + b.token[30:]) }),
	)
	all := slices.DeleteFunc(ways(), func(w way) bool { return w.name == "hook" }) // which wants a 200
	for i, f := range list {
		for j, in := range append(all, vendorWays()...) {
			if os.Getenv("CHAOS_EVENTS") == "" && (i+j)%8 > 0 { // make chaos runs all of them
				continue
			}
			t.Run(f.name+"/"+in.name, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, options{sources: watchedSources})
				b.wechat.Bind(shop, wedatatest.Bound(leaver))
				w := watching(b)
				f.inject(b)
				w.secrets.AddParts("the new token", b.token)
				w.asItCame = asItComes(in.name)
				reply, err := in.send(t, b, fullEvent)
				w.check(t, b, reply, err)
			})
		}
	}
}

// Values of a payload were quoted in errors and in the log. A token that is pasted into the wrong member, or a uid, was
// shown there.
func TestValuesOfAPayloadAreNeverShown(t *testing.T) {
	const token = leaked
	for name, payload := range map[string]string{
		"a type that is a uid":            `{"type":"UID","data":{"uid":"UID"}}`,
		"a type that contains a uid":      `{"type":"hr.joined.UID","id":"x","data":{"uid":["UID"]}}`,
		"a type with a token":             `{"type":"the token is TOKEN","data":{"uid":"E1"}}`,
		"a long type":                     `{"type":"` + strings.Repeat("x", 60) + `TOKEN","data":{"uid":"E1"}}`,
		"an id of an ignored event":       `{"type":"employee.joined","id":"evt-UID","source":"hr-UID","data":{"uid":"UID"}}`,
		"an id of a departure":            `{"type":"employee.left","id":"evt-UID","source":"hr-UID","data":{"uid":"UID"}}`,
		"an id of an unreadable event":    `{"type":"employee.left","id":"evt-UID","source":"hr-UID","data":{"uid":"UID","merchants":"x"}}`,
		"an id of a partly readable list": `{"type":"employee.left","id":"evt-UID","data":{"uid":["UID",5]}}`,
		"Records of a token":              `{"Records":[{"eventSource":"TOKEN"}]}`,
		"Records of a token with aws":     `{"Records":[{"eventSource":"aws:TOKEN"}]}`,
		"a requestContext of a uid":       `{"requestContext":{"UID":1,"TOKEN":2}}`,
		"a method and a path":             `{"httpMethod":"TOKEN","path":"/UID/TOKEN","requestContext":{}}`,
		"a hook of a name":                `{"httpMethod":"POST","path":"/hooks/张UID-TOKEN` + strings.Repeat("x", 100) + `","requestContext":{}}`,
		"an action":                       `{"action":"TOKEN"}`,
		"an action's member":              `{"action":"list","TOKEN":1}`,
		"an action's merchant":            `{"action":"list","merchant":"TOKEN"}`,
		"an audit's people":               `{"action":"audit","active":["UID",5]}`,
		"an audit's step":                 `{"action":"audit","active":["UID"],"uid_as":["TOKEN"]}`,
		"a dry run":                       `{"dry_run":"TOKEN","uid":"UID"}`,
		"a merchant":                      `{"uid":"UID","merchant":"TOKEN"}`,
		"a detail-type":                   `{"detail-type":"TOKEN UID","source":"hr","detail":{"uid":"UID"}}`,
		"a member":                        `{"uid":"UID","TOKEN":1}`,
		"a member twice":                  `{"uid":"UID","TOKEN":1,"TOKEN":2}`,
		"a member that limits":            `{"type":"employee.left","data":{"uid":"UID","uidTOKEN":1}}`,
		"half of a payload":               `{"uid":"UID","merchant":"TOKEN`,
		"a text":                          `"UID TOKEN"`,
		"a text with a payload":           `"{\"uid\":\"UID\"}"`,
		"a control character":             `{"uid":"UID\u0000TOKEN"}`,
		"a broken character":              `{"uid":"UID\ud800TOKEN"}`,
		"a long uid":                      `{"uid":"` + strings.Repeat("UID", 20) + `"}`,
		"two uids as one":                 `{"uid":"UID,UID"}`,
		"an effective_at":                 `{"uid":"UID","effective_at":"TOKEN"}`,
		"a time":                          `{"type":"employee.left","time":"TOKEN","data":{"uid":"UID"}}`,
		"a list of payloads":              `[{"uid":"UID"},"TOKEN"]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload := strings.NewReplacer("UID", leaver, "TOKEN", token).Replace(payload)
			for i, in := range append(ways(), vendorWays()[3]) {
				if strings.HasPrefix(in.name, "EventBridge") && !json.Valid([]byte(payload)) || in.name == "destination record in SQS" {
					continue // its payload is a part of the event
				}
				if os.Getenv("CHAOS_EVENTS") == "" && i%2 > 0 && in.name != "SNS" { // make chaos tries all
					continue
				}
				b := newBench(t, options{sources: watchedSources})
				b.wechat.Bind(shop, wedatatest.Bound(leaver))
				w := watching(b)
				w.asItCame = true
				w.secrets = canary.Searcher{} // the bodies and the replies to a caller may have what the payload has
				w.uids.AddParts("the token", token)
				reply, err := in.send(t, b, payload)
				w.check(t, b, reply, err)
			}
		})
	}
}

// A type is a word of the protocol: it is shown where it looks like one.
func TestTheTypeOfAnIgnoredEventIsShownAsAWord(t *testing.T) {
	for eventType, want := range map[string]string{
		"employee.joined": `type "employee.joined" is not employee.left`,
		"user_created-2":  `type "user_created-2" is not employee.left`,
		"a b":             "another type than employee.left",
		"wx.E1001.x":      "another type than employee.left",
	} {
		b := newBench(t, options{})
		if reply, err := b.send(t, mustJSON(t, map[string]any{"type": eventType, "data": map[string]any{"uid": "E1001"}})); err != nil || !strings.Contains(reply, strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("%s: got %s, %v", eventType, reply, err)
		}
	}
}

// Errors say what to write.
func TestErrorsSayWhatToWrite(t *testing.T) {
	for _, tc := range []struct{ name, event, want string }{
		{"a CloudEvent without data", `{"specversion":"1.0","id":"1","source":"hr","type":"employee.left"}`, `a canonical event needs type and data, such as {"type":"employee.left","data":{"uid":"E1001"}}`},
		{"a CloudEvent without type", `{"specversion":"1.0","id":"1","source":"hr","data":{"uid":"E1001"}}`, `a canonical event needs type and data, such as `},
		{"a wrong effective_at", `{"uid":"E1001","effective_at":"30.11.2026"}`, "effective_at: neither an RFC 3339 time such as 2026-11-30T18:00:00+08:00 nor a date such as 2026-11-30"},
		{"the first item", `{"uid":[1001]}`, "uid: item 1 is a number where a string is expected"},
		{"the second merchant", `{"uid":"E1001","merchant":["wx0123456789abcdef",5]}`, "merchant: item 2 is a number where a string is expected"},
		{"plain text by SNS", snsEvent(t, "E1001 left"), `a departure looks like {"uid":"E1001"}`},
		{"a text by SNS", snsEvent(t, `"{\"uid\":\"E1001\"}"`), "send the object itself, without quotes around it"},
		{"two people as one", `{"uid":"E1001,E1002"}`, `several people are a list, such as [\"E1001\",\"E1002\"]`},
		{"two people as one, a dry run", `{"dry_run":true,"uid":"E1001;E1002"}`, `several people are a list, such as [\"E1001\",\"E1002\"]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reply, err := newBench(t, options{}).send(t, tc.event)
			if got := reply + fmt.Sprint(err); !strings.Contains(got, tc.want) && !strings.Contains(got, strings.ReplaceAll(tc.want, `"`, `\"`)) {
				t.Errorf("got  %s\nwant …%s…", got, tc.want)
			}
		})
	}
}

// An event file that starts with a byte order mark, as Windows writes it, was no JSON.
func TestAByteOrderMarkIsSkipped(t *testing.T) {
	for _, w := range ways() {
		if strings.HasPrefix(w.name, "EventBridge") {
			continue // its payload is a part of the event
		}
		t.Run(w.name, func(t *testing.T) {
			b := newBench(t, options{sources: sources})
			if reply, err := w.send(t, b, "\ufeff"+`{"uid":"E1001"}`); err != nil || b.bound("E1001") {
				t.Errorf("E1001 bound: %v: %s, %v", b.bound("E1001"), reply, err)
			}
		})
	}
}
