package source

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/source/sourcetest"
)

// victim is a source, and a request to it that somebody recorded.
type victim struct {
	name, entry string
	request     sourcetest.Request
	events      []departure.Event // what is read from it
	// alive is how long after now the request counts, 0 where there is no signed time.
	alive time.Duration

	registry *Registry
	at       time.Time // of its clock
}

// victims returns a recorded departure for each scheme that signs, and for each way to sign with hmac.
func victims(t testing.TB) []*victim {
	t.Helper()
	body := []byte(`{"event_type":"employee.termination_effective","entity_uuid":"E1001"}`)
	stamp := strconv.FormatInt(now.Unix(), 10)
	sum := func(signed string) []byte {
		mac := hmac.New(sha256.New, []byte("hmac key"))
		mac.Write([]byte(signed))
		return mac.Sum(nil)
	}
	entry := func(members string) string {
		return `{"scheme":"hmac","keys":["hmac key"],` + members + `,
			"left_when":{"event_type":["employee.termination_effective"]},"uid":"entity_uuid"}`
	}
	feishu := func() sourcetest.Request {
		return signFeishu(sealFeishu(sample(t, "feishu-contact.user.deleted_v3.json")))
	}
	list := []*victim{
		{
			name: "standard-webhooks", entry: webhookEntry, alive: defaultTolerance,
			request: fromStandardWebhooks([]byte(`{"type":"employee.left","data":{"uid":"E1001"}}`)),
		},
		{name: "hmac, the body alone", entry: gustoEntry, request: fromHMAC(body)},
		{name: "hmac, a form", entry: gustoEntry, request: func() sourcetest.Request {
			r := fromHMAC([]byte("event_type=employee.termination_effective&entity_uuid=E1001"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return r
		}()},
		{
			name: "hmac, XML", entry: gustoEntry,
			request: fromHMAC([]byte("<e><event_type>employee.termination_effective</event_type><entity_uuid>E1001</entity_uuid></e>")),
		},
		{
			name: "hmac, a timestamp beside the body", alive: defaultTolerance,
			entry:   entry(`"header":"X-Signature","timestamp_header":"X-Timestamp","signed":"{timestamp}{body}"`),
			request: post(body, "X-Timestamp", stamp, "X-Signature", hex.EncodeToString(sum(stamp+string(body)))),
		},
		{
			name: "hmac, a timestamp beside a nonce", alive: defaultTolerance,
			entry: entry(`"header":"X-Signature","encoding":"base64","prefix":"v0=","timestamp_header":"X-Timestamp",
				"signed":"{timestamp}{header:X-Nonce}.{method}.{body}"`),
			request: post(body, "X-Timestamp", stamp, "X-Nonce", "163014780",
				"X-Signature", "v0="+base64.StdEncoding.EncodeToString(sum(stamp+"163014780.POST."+string(body)))),
		},
		{
			name: "hmac, a timestamp in the signature", alive: defaultTolerance,
			entry:   entry(`"header":"X-Signature","timestamp_prefix":"t=","prefix":"v1=","signed":"{timestamp}.{body}"`),
			request: post(body, "X-Signature", "t="+stamp+",v1="+hex.EncodeToString(sum(stamp+"."+string(body)))),
		},
		{
			name: "hmac, the query", entry: entry(`"header":"query:sign","signed":"{query:a}.{query:b}.{body}"`),
			request: func() sourcetest.Request {
				r := post(body)
				r.Query = map[string][]string{"a": {"1"}, "b": {"22"}, "sign": {hex.EncodeToString(sum("1.22." + string(body)))}}
				return r
			}(),
		},
		{name: "feishu, signed", entry: feishuEntry, request: feishu(), alive: farthest},
		{name: "dingtalk", entry: dingTalkEntry, request: fromDingTalk(sample(t, "dingtalk-user_leave_org-http.json")), alive: farthest},
		{name: "wecom", entry: weComEntry, request: fromWeCom(sample(t, "wecom-delete_user-suite.xml"), "suite"), alive: farthest},
	}
	for _, v := range list {
		events, err := v.receive(v.request, now)
		if err != nil || len(events) == 0 || events[0].Status != "" {
			t.Fatalf("%s: the request itself is not accepted: %+v, %v", v.name, events, err)
		}
		v.events = events
	}
	return list
}

func (v *victim) receive(r sourcetest.Request, at time.Time) ([]departure.Event, error) {
	if v.registry == nil {
		vault := &vault{versions: []string{`{"hr":` + v.entry + `}`}}
		cache := secrets.New(vault, secrets.Config{Hold: time.Hour})
		v.registry = New(Config{Secrets: cache, SecretID: "sources", Now: func() time.Time { return v.at }})
	}
	v.at = at
	delivery, err := v.registry.Receive(context.Background(), "hr", httpRequest(r), r.Body, departure.Meta{Time: now})
	return delivery.Events, err
}

// check fails the test where a forgery is accepted. A spelling that means the same, such as capitals in hexadecimal, is
// none, and what nobody can read changes nothing.
func (v *victim) check(t *testing.T, forged sourcetest.Request, at time.Time) {
	t.Helper()
	events, err := v.receive(forged, at)
	if err != nil {
		return
	}
	for _, event := range events {
		if event.Status != "" {
			continue
		}
		if !reflect.DeepEqual(events, v.events) {
			t.Fatalf("%s: accepted as %s, and the request was %s:\n%s", v.name, tell(events), tell(v.events), show(forged))
		}
		if age := at.Sub(now); v.alive > 0 && age > v.alive {
			t.Fatalf("%s: accepted %v after it was sent:\n%s", v.name, age, show(forged))
		}
	}
}

func show(r sourcetest.Request) string {
	return r.Method + " " + r.Query.Encode() + "\n" + string(mustHeader(r.Header)) + "\n" + string(r.Body)
}

func mustHeader(h http.Header) []byte {
	var b bytes.Buffer
	_ = h.Write(&b) // it goes to memory
	return b.Bytes()
}

// pieces are the parts of a request that a forger can change: its body, headers and parameters of the query.
type pieces struct {
	request sourcetest.Request
	names   []string
}

func piecesOf(r sourcetest.Request) pieces {
	p := pieces{request: sourcetest.Request{
		Method: r.Method, Body: bytes.Clone(r.Body), Header: r.Header.Clone(), Query: map[string][]string{},
	}, names: []string{"body"}}
	for name, values := range r.Query {
		p.request.Query[name] = slices.Clone(values)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		p.names = append(p.names, "header:"+name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Query)) {
		p.names = append(p.names, "query:"+name)
	}
	return p
}

func (p pieces) get(i int) string {
	switch name := p.names[i]; {
	case name == "body":
		return string(p.request.Body)
	case name[0] == 'h':
		return p.request.Header.Get(name[len("header:"):])
	default:
		return p.request.Query.Get(name[len("query:"):])
	}
}

func (p *pieces) set(i int, value string) {
	switch name := p.names[i]; {
	case name == "body":
		p.request.Body = []byte(value)
	case name[0] == 'h':
		p.request.Header.Set(name[len("header:"):], value)
	default:
		p.request.Query.Set(name[len("query:"):], value)
	}
}

// move takes n bytes off the end of one piece and puts them before another, or off its beginning and behind the other.
func (p *pieces) move(from, to, n int, offEnd bool) bool {
	text, other := p.get(from), p.get(to)
	if from == to || n <= 0 || n > len(text) {
		return false
	}
	if cut := len(text) - n; offEnd {
		p.set(from, text[:cut])
		p.set(to, text[cut:]+other)
	} else {
		p.set(from, text[n:])
		p.set(to, other+text[:n])
	}
	return true
}

// Bytes that move from one part of a signed request to another leave some signed texts as they were.
func TestBytesThatMoveMakeNoOtherRequest(t *testing.T) {
	for _, v := range victims(t) {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			parts := len(piecesOf(v.request).names)
			for from := range parts {
				for to := range parts {
					for n := range 13 {
						for _, offEnd := range []bool{true, false} {
							forged := piecesOf(v.request)
							if forged.move(from, to, n+1, offEnd) {
								v.check(t, forged.request, now)
								v.check(t, forged.request, now.Add(v.alive+time.Hour))
							}
						}
					}
				}
			}
		})
	}
}

// A bit that is turned anywhere in a signed request makes it a forgery, or changes nothing.
func TestABitThatIsTurnedMakesNoOtherRequest(t *testing.T) {
	for _, v := range victims(t) {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			for i := range piecesOf(v.request).names {
				text := piecesOf(v.request).get(i)
				for at := 0; at < len(text); at += 1 + len(text)/200 {
					forged := piecesOf(v.request)
					turned := []byte(text)
					turned[at] ^= 1 << (at % 8)
					forged.set(i, string(turned))
					v.check(t, forged.request, now)
				}
			}
		})
	}
}

// A request that was recorded is refused once its signed time is over.
func TestARecordedRequestIsRefusedLater(t *testing.T) {
	for _, v := range victims(t) {
		if v.alive == 0 {
			continue
		}
		for _, away := range []time.Duration{v.alive + time.Second, -v.alive - time.Second, 400 * 24 * time.Hour} {
			if events, err := v.receive(v.request, now.Add(away)); err == nil {
				t.Errorf("%s: accepted %v later: %+v", v.name, away, events)
			}
		}
	}
}

// FuzzForged changes a recorded request step by step: each step is five bytes.
func FuzzForged(f *testing.F) {
	list := victims(f)
	for i := range list {
		f.Add(byte(i), byte(0), []byte{0, 0, 1, 3, 0})
		f.Add(byte(i), byte(1), []byte{1, 1, 2, 3, 0})
		f.Add(byte(i), byte(1), []byte{2, 2, 1, 1, 0, 6, 1, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, which, later byte, steps []byte) {
		v := list[int(which)%len(list)]
		forged := piecesOf(v.request)
		for step := range slices.Chunk(steps, 5) {
			if len(step) < 5 {
				break
			}
			parts := len(forged.names)
			from, to, n := int(step[1])%parts, int(step[2])%parts, int(step[3])
			text := forged.get(from)
			at := min(n, len(text))
			switch step[0] % 8 {
			case 0: // turn bits
				if at < len(text) {
					turned := []byte(text)
					turned[at] ^= step[4]
					forged.set(from, string(turned))
				}
			case 1:
				forged.move(from, to, n, true)
			case 2:
				forged.move(from, to, n, false)
			case 3:
				forged.set(from, text[:at])
			case 4:
				forged.set(from, text[at:])
			case 5:
				forged.set(from, text[:at]+string(rune(step[4]))+text[at:])
			case 6: // exchange two pieces
				other := forged.get(to)
				forged.set(from, other)
				forged.set(to, text)
			case 7: // a piece stands twice
				if name := forged.names[from]; name[0] == 'h' {
					forged.request.Header.Add(name[len("header:"):], forged.get(to))
				} else if name[0] == 'q' {
					forged.request.Query.Add(name[len("query:"):], forged.get(to))
				}
			}
		}
		at := now
		if later%2 == 1 {
			at = now.Add(v.alive + time.Duration(later)*time.Hour)
		}
		v.check(t, forged.request, at)
	})
}
