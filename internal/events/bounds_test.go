package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata"
)

// eachSources has a mapping for a topic, an event source and a hook, whose bodies are lists of leavers.
const eachSources = `{
	"employee-left": {"each":"list","left_when":{"left":[true]},"uid":"uid"},
	"hr": {"scheme":"bearer","keys":["` + key + `"],"header":"Authorization","merchants":["*"],
		"each":"list","left_when":{"left":[true]},"uid":"uid"},
	"unbind": {"scheme":"bearer","keys":["` + key + `"],"header":"Authorization","merchants":["*"]}
}`

// leavers returns so many items of a list, each with the members that item writes.
func leavers(n int, item func(i int) string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = item(i)
	}
	return `{"list":[` + strings.Join(items, ",") + `]}`
}

// mostExpensive is the way in that took most memory. It gets the full size; the other ways get enough to see a difference.
const mostExpensive = "SNS envelope in SQS"

// listWays are the ways in for a body that a source maps.
func listWays() []way {
	var list []way
	for _, w := range ways() {
		if w.name == "SNS" || w.name == "EventBridge" || strings.Contains(w.name, "in SQS") {
			list = append(list, w)
		}
	}
	return append(list, way{"hook", func(t *testing.T, b *bench, payload string) (string, error) {
		got := b.request(t, bearer("/hooks/hr", payload).v2(t))
		b.deliver(t)
		return got.Body, nil
	}})
}

// inBubble runs a test in which no time passes: a hook has 0.9 s, however slow the machine is.
func inBubble(t *testing.T, name string, test func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// cost is what an invocation allocated and logged.
type cost struct{ allocated, logged, letters int }

func (b *bench) cost(do func()) cost {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	c := cost{allocated: int(after.TotalAlloc - before.TotalAlloc), logged: len(b.log.String())}
	for _, m := range b.dead.Messages() {
		c.letters += len(m.Body)
	}
	return c
}

func (c cost) String() string {
	return fmt.Sprintf("%.1f MB allocated, %d bytes logged, %d bytes of dead letters", float64(c.allocated)/1e6, c.logged, c.letters)
}

// A body with n leavers without a uid was kept n times, and n² times when it was redriven. 4,900 of them
// took 2 GB of memory and 978 MB of dead letters.
func TestUnreadableItemsAreKeptOnce(t *testing.T) {
	for _, w := range listWays() {
		items := 100
		if w.name == mostExpensive {
			items = 4900
		}
		payload := leavers(items, func(i int) string { return fmt.Sprintf(`{"left":true,"id":%d}`, i) })
		inBubble(t, w.name, func(t *testing.T) {
			b := newBench(t, options{sources: eachSources})
			got := b.cost(func() {
				if reply, err := w.send(t, b, payload); err != nil {
					t.Errorf("got %.300s, %v", reply, err)
				}
			})
			t.Log(got)
			if got.logged > 10<<10 || got.letters > 1<<20 || got.allocated > 200<<20 {
				t.Errorf("got %v", got)
			}
			for redrives := range 3 {
				letters := b.dead.Messages()
				if len(letters) != 1 || b.errorLines() != redrives+1 || len(b.queue.Messages()) > 0 {
					t.Fatalf("%d redrives: %d dead letters, %d lines of level ERROR", redrives, len(letters), b.errorLines())
				}
				reason := letters[0].Attributes["reason"].StringValue
				said := strings.Contains(reason, fmt.Sprintf("%d departures cannot be read: ", items)) && strings.Contains(reason, "item 1: uid: nothing at uid; ")
				if !said && (w.name != "hook" || redrives == 0) { // that of a hook has its reason in the body
					t.Errorf("the reason is %s", reason)
				}
				b.dead.Redrive(b.queue)
				b.deliver(t)
			}
			if calls := b.wechat.Calls(); len(calls) > 0 {
				t.Errorf("WeChat was called: %+v", calls)
			}
		})
	}
}

// The body of a webhook is not kept, so its one dead letter tells how many could not be read, at which
// positions, why, and what was read of them.
func TestTheDeadLetterOfAWebhookTellsWhatWasRead(t *testing.T) {
	b := newBench(t, options{sources: strings.Replace(eachSources, `"each":"list"`, `"each":"list","effective":"day"`, 2)})
	payload := leavers(30, func(i int) string {
		switch {
		case i == 6: // the seventh
			return `{"left":true,"uid":"E1007","day":"soon"}`
		case i < 20:
			return `{"left":true,"secret":"a payload's value"}`
		case i == 20:
			return `{"left":true,"uid":"E1001"}`
		}
		return `{"left":false}`
	})
	if got := b.request(t, bearer("/hooks/hr", payload).v2(t)); got.StatusCode != http.StatusOK {
		t.Fatalf("got %+v", got)
	}
	letters := b.dead.Messages()
	if len(letters) != 1 || len(b.queue.Messages()) != 1 {
		t.Fatalf("%d dead letters, %d in the queue", len(letters), len(b.queue.Messages()))
	}
	var body struct {
		Reason         string
		Faults, People []string
	}
	if err := json.Unmarshal([]byte(letters[0].Body), &body); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(body.Reason, "20 departures cannot be read: item 1: uid: nothing at uid; ") || len(body.Faults) != 20 ||
		!strings.HasPrefix(body.Faults[6], "item 7: effective: ") || body.Faults[19] != "item 20: uid: nothing at uid" ||
		len(body.People) != 1 || body.People[0] != "E1007" || strings.Contains(letters[0].Body, "a payload's value") {
		t.Errorf("the dead letter is %s", letters[0].Body)
	}
}

// 5,000 items for 100 merchants were spread out before anybody counted them: 571 MB of memory, and a log of
// 247 MB.
func TestMorePairsThanTheLimitAreRefusedWhole(t *testing.T) {
	few := strings.Replace(eachSources, `["*"]`, mustJSON(t, hundred()), 1) // a hook counts the merchants that its entry names
	for _, w := range append(listWays(), ways()...) {
		people := 60 // times a hundred merchants: over the limit already
		if w.name == mostExpensive {
			people = 5000
		}
		payload := leavers(people, func(i int) string { return fmt.Sprintf(`{"left":true,"uid":"person-%04d"}`, i) })
		switch w.name {
		case "direct", "SQS", "POST unbind":
			payload = `{"uid":[` + crowd(people) + `]}`
		}
		inBubble(t, w.name, func(t *testing.T) {
			b := newBench(t, options{sources: few})
			b.secrets.Put(secretID, indexOfHundred())
			var reply string
			var err error
			got := b.cost(func() {
				if w.name == "hook" {
					reply = b.request(t, bearer("/hooks/hr", payload).v2(t)).Body
				} else {
					reply, err = w.send(t, b, payload)
				}
			})
			t.Log(got)
			if lines := strings.Count(b.log.String(), "\n"); lines != 1 || got.logged > 10<<10 || got.allocated > 200<<20 {
				t.Errorf("%d lines: %v", lines, got)
			}
			if len(b.wechat.Calls()) > 0 || len(b.queue.Messages()) > 0 {
				t.Errorf("%d calls of WeChat, %d messages in the queue", len(b.wechat.Calls()), len(b.queue.Messages()))
			}
			want := fmt.Sprintf("%d pairs of uid and merchant, at most 5000 are carried out at once: send it in parts", 100*people)
			switch letters := b.dead.Messages(); {
			case w.name == "direct":
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v", err)
				}
			case w.name == "POST unbind":
				if !strings.Contains(reply, want) || len(letters) > 0 {
					t.Errorf("got %s", reply)
				}
			case err != nil || len(letters) != 1 || !strings.Contains(letters[0].Attributes["reason"].StringValue, want):
				t.Errorf("%v, %d dead letters, reply %.300s", err, len(letters), reply)
			case !strings.Contains(letters[0].Body, fmt.Sprintf("person-%04d", people-1)):
				t.Errorf("the dead letter does not name everybody: %.300s", letters[0].Body)
			}
		})
	}
}

// hundred returns the appids of a hundred merchants.
func hundred() []string {
	list := make([]string, 100)
	for i := range list {
		list[i] = fmt.Sprintf("wx%d", i)
	}
	return list
}

// indexOfHundred returns a token secret with a hundred merchants, whose tokens are behind another one.
func indexOfHundred() string {
	entries := make([]string, 100)
	for i, appid := range hundred() {
		entries[i] = fmt.Sprintf(`"%s":{"secret_id":"t"}`, appid)
	}
	return `{"authorizers":{` + strings.Join(entries, ",") + `}}`
}

// The merchants could not be read while the pairs were counted, and could a moment later.
func TestTheLimitHoldsWhenTheMerchantsAreReadLate(t *testing.T) {
	for name, tc := range map[string]struct {
		send func(*testing.T, *bench) error
		want int // messages that stay in the queue
	}{
		"SNS": {func(t *testing.T, b *bench) error {
			_, err := b.send(t, snsEvent(t, `{"uid":[`+crowd(5000)+`]}`))
			return err
		}, 0},
		"SQS": {func(t *testing.T, b *bench) error {
			b.queue.Send(`{"uid":[`+crowd(5000)+`]}`, nil)
			return b.deliver(t).Reply.Err()
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Now()
			b := newBench(t, options{now: func() time.Time { now = now.Add(time.Minute); return now }})
			b.secrets.Put(secretID, indexOfHundred())
			b.secrets.Fail(lambdatest.Fault{Code: "ThrottlingException", Status: 400})
			err := tc.send(t, b)
			if (err == nil) != (tc.want == 1) || len(b.wechat.Calls()) > 0 || strings.Count(b.log.String(), `"msg":"outcome"`) != 1 || len(b.queue.Messages()) != tc.want {
				t.Errorf("%d calls, %d in the queue, %d lines: %.300v", len(b.wechat.Calls()), len(b.queue.Messages()), strings.Count(b.log.String(), "\n"), err)
			}
		})
	}
}

// A webhook stored a message for each pair of person and merchant.
func TestAWebhookSendsOneMessageForEachPerson(t *testing.T) {
	b := newBench(t, options{sources: `{"hr":{"scheme":"bearer","keys":["` + key + `"],"header":"Authorization","merchants":["` + shop + `","` + other + `"]}}`})
	b.request(t, bearer("/hooks/hr", `{"uid":["E1001","E1002"]}`).v2(t))
	waiting := b.queue.Messages()
	if len(waiting) != 2 || !strings.HasSuffix(waiting[0].Body, `"data":{"uid":"E1001","merchant":["`+shop+`","`+other+`"]}}`) {
		t.Errorf("queued %+v", waiting)
	}
}

// counter is WeChat without HTTP, for tests of many thousand people. It unbinds everybody, and has nobody in its lists.
type counter struct {
	mu      sync.Mutex
	unbound map[string]int // calls for each uid
}

func (c *counter) UnbindUser(_ context.Context, _, uid string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unbound[uid]++
	return nil
}

func (c *counter) QueryBindList(context.Context, string, func(string) bool) ([]wedata.Binding, error) {
	return nil, nil
}

// The limit did not hold for a batch of messages, and the last people of it were never reached.
func TestABatchBeyondTheLimitIsDoneInLaterDeliveries(t *testing.T) {
	api := &counter{unbound: map[string]int{}}
	b := newBench(t, options{api: api})
	for i := range 4 {
		b.queue.Send(strings.ReplaceAll(`{"uid":[`+crowd(1700)+`]}`, "person", fmt.Sprintf("person-%d", i)), nil)
	}
	b.queue.Send(`{"uid":"E1001"}`, nil) // a small one behind large ones
	var returned []int
	for range 4 {
		delivery := b.deliver(t)
		returned = append(returned, len(delivery.Returned))
	}
	if got := fmt.Sprint(returned); got != "[2 0 0 0]" || api.unbound["E1001"] != 1 || len(b.dead.Messages()) > 0 {
		t.Errorf("stayed after each delivery: %s, %d calls for E1001, %d dead letters", got, api.unbound["E1001"], len(b.dead.Messages()))
	}
	if len(api.unbound) != 6801 {
		t.Errorf("%d people, want 6801", len(api.unbound))
	}
}

// People who cannot be carried out count too, since each has a line in the log and a dead letter.
func TestBadUIDsCountAsWell(t *testing.T) {
	b := newBench(t, options{})
	if _, err := b.send(t, snsEvent(t, `{"uid":[`+strings.ReplaceAll(crowd(6000), "person", `\u0000`)+`]}`)); err != nil {
		t.Fatal(err)
	}
	if lines := b.errorLines(); lines != 1 || len(b.dead.Messages()) != 1 {
		t.Errorf("%d lines of level ERROR, %d dead letters", lines, len(b.dead.Messages()))
	}
}

// A malformed event was logged by each of four tries.
func TestAMalformedEventIsOneLineInTheLog(t *testing.T) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			b := newBench(t, options{sources: sources})
			_, _ = w.send(t, b, `{"uid":1001}`)
			want := 1
			if w.name == "POST unbind" {
				want = 0 // its caller made the mistake: a warning
			}
			if b.errorLines() != want || strings.Count(b.log.String(), "\n") != 1 {
				t.Errorf("logged %s", b.log.String())
			}
		})
	}
	b := newBench(t, options{})
	b.sqs.Fail(lambdatest.Fault{Times: -1, Drop: true})
	_, err := b.send(t, snsEvent(t, "not JSON"))
	unbindError(t, err) // Lambda tries it again
}
