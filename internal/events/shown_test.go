package events_test

import (
	"fmt"
	"strings"
	"testing"

	"wedata-unbind/internal/wedata/wedatatest"
)

// Values of a payload were quoted in errors and in the log. A token that is pasted into the wrong member, or
// a uid, was shown there.
func TestValuesOfAPayloadAreNeverShown(t *testing.T) {
	const (
		token = "61_SECRETtokenSECRETtoken"
		uid   = "person-1001"
	)
	for name, payload := range map[string]string{
		"a type that is a uid":            `{"type":"person-1001","data":{"uid":"person-1001"}}`,
		"a type that contains a uid":      `{"type":"hr.joined.person-1001","id":"x","data":{"uid":["person-1001"]}}`,
		"a type with a token":             `{"type":"the token is 61_SECRETtokenSECRETtoken","data":{"uid":"E1"}}`,
		"a long type":                     `{"type":"` + strings.Repeat("x", 60) + `61_SECRETtokenSECRETtoken","data":{"uid":"E1"}}`,
		"an id of an ignored event":       `{"type":"employee.joined","id":"evt-person-1001","source":"hr-person-1001","data":{"uid":"person-1001"}}`,
		"an id of a departure":            `{"type":"employee.left","id":"evt-person-1001","source":"hr-person-1001","data":{"uid":"person-1001"}}`,
		"an id of an unreadable event":    `{"type":"employee.left","id":"evt-person-1001","source":"hr-person-1001","data":{"uid":"person-1001","merchants":"x"}}`,
		"an id of a partly readable list": `{"type":"employee.left","id":"evt-person-1001","data":{"uid":["person-1001",5]}}`,
		"Records of a token":              `{"Records":[{"eventSource":"61_SECRETtokenSECRETtoken"}]}`,
		"Records of a token with aws":     `{"Records":[{"eventSource":"aws:61_SECRETtokenSECRETtoken"}]}`,
		"a requestContext of a uid":       `{"requestContext":{"person-1001":1,"61_SECRETtokenSECRETtoken":2}}`,
		"a method and a path":             `{"httpMethod":"61_SECRETtokenSECRETtoken","path":"/person-1001/61_SECRETtokenSECRETtoken","requestContext":{}}`,
		"a hook of a name":                `{"httpMethod":"POST","path":"/hooks/张person-1001-61_SECRETtokenSECRETtoken` + strings.Repeat("x", 100) + `","requestContext":{}}`,
		"an action":                       `{"action":"61_SECRETtokenSECRETtoken"}`,
		"a merchant":                      `{"uid":"person-1001","merchant":"61_SECRETtokenSECRETtoken"}`,
		"a detail-type":                   `{"detail-type":"61_SECRET tokenSECRETtoken person-1001","source":"hr","detail":{"uid":"person-1001"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, options{sources: sources})
			b.wechat.Bind(shop, wedatatest.Bound(uid))
			_, err := b.send(t, payload)
			_, errSNS := b.send(t, snsEvent(t, payload))
			b.queue.Send(payload, nil)
			b.deliver(t)
			var attributes []any
			for _, m := range b.dead.Messages() {
				attributes = append(attributes, m.Attributes)
			}
			public := fmt.Sprint(b.log.String(), err, errSNS, attributes)
			for _, secret := range []string{token, "tokenSECRET", uid} {
				if strings.Contains(public, secret) {
					t.Errorf("%s is shown: %s", secret, public)
				}
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
