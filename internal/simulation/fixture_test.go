package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/events"
	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/schedule"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/token"
	"wedata-unbind/internal/wedata"
	"wedata-unbind/internal/wedata/wedatatest"
)

// What the template gives the function and its queues.
const (
	timeout     = 60 * time.Second
	visibility  = 360 * time.Second
	batchSize   = 10
	retries     = 2 // MaximumRetryAttempts of an asynchronous event
	gatewayTime = 30 * time.Second
)

const (
	secretID  = "wedata/token"
	sourcesID = "wedata/sources"
	key       = "key-of-the-simulated-senders"
	group     = "unbind-later"

	sick   = 30 * time.Hour // how long things go wrong
	redo   = 5 * time.Hour  // how often somebody redrives the dead letters
	atMost = 12 * 24 * time.Hour
)

var (
	merchants = []string{"wx00000000000000aa", "wx00000000000000bb", "wx00000000000000cc"}
	uids      = regexp.MustCompile(`emp-[0-9]{6}`)
)

// plan is what a run is made of. The same plan has the same events, faults and deaths, each drawn for whom it concerns. The
// order of what runs in the same moment, and the jitter of the function's own waits, may still differ.
type plan struct {
	seed dice
	size int // how many people, but for the others of groups
	// only are the people that take part, all where it is nil.
	only map[int]bool
	// faults are those that happen, by name.
	faults map[string]bool
	// once leaves out repeated and late deliveries.
	once bool
}

// dice are numbers that depend on nothing but the seed and what they are for.
type dice uint64

// roll returns a number in [0, 1).
func (d dice) roll(what string, n int) float64 {
	h := uint64(d)*0x9e3779b97f4a7c15 + uint64(n)*0xbf58476d1ce4e5b9 + 14695981039346656037
	for i := range len(what) {
		h = (h ^ uint64(what[i])) * 1099511628211
	}
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	h ^= h >> 31
	return float64(h>>11) / (1 << 53)
}

// pick returns a number from 0 to n-1.
func (d dice) pick(what string, number, n int) int { return int(d.roll(what, number) * float64(n)) }

// fixture is the function with its stand-ins, and what is known of everybody in it.
type fixture struct {
	plan
	kinds  []fault
	trust  bool
	index  bool // the token secret is an index of all merchants; else it has the token of the first one
	start  time.Time
	healed atomic.Bool
	ended  context.Context //nolint:containedctx // ends all loops of the run
	end    context.CancelFunc
	loops  sync.WaitGroup

	wechat      *wedatatest.Server
	aws         *lambdatest.AWS
	queue, dead *lambdatest.Queue

	mu      sync.Mutex
	numbers map[string]int // calls and decisions so far, by key
	tokens  map[string]string
	written map[string]string // the token of each merchant, as the secret has it
	idle    []*instance
	started int // instances so far
	people  map[string]*person
	sending int                // senders that are not answered yet
	hashes  map[string]*person // by the hash of the uid

	ignored map[string]bool // events that a line of the log says to be ignored

	broken []violation
	story  []string
	stats  stats
}

// instance is a process of the function.
type instance struct {
	*fixture
	id      int
	handler *events.Handler
	skew    atomic.Int64 // how far its clock is ahead
	unread  atomic.Bool  // a secret could not be read, perhaps for a lasting reason
	dead    atomic.Bool
	now     atomic.Pointer[invocation]
}

// invocation is one event in the hands of an instance.
type invocation struct {
	trigger string
	began   time.Time
	carries map[string]bool // ids of the events, where they did not wait in the queue
	dies    bool            // the process dies during one of its calls
	cancel  context.CancelFunc

	mu sync.Mutex
	by map[string]int // calls by key
}

func newFixture(p plan) *fixture {
	w := &fixture{
		plan: p, trust: p.seed.roll("trust", 0) < 0.1, index: p.seed.roll("index", 0) < 0.8, start: time.Now(),
		wechat: wedatatest.New(wedatatest.Options{NotBound: []int{0, 0, -1, 40097, 9900004, 12345}[p.seed.pick("not bound", 0, 6)]}),
		aws:    lambdatest.NewAWS(), numbers: map[string]int{}, tokens: map[string]string{}, written: map[string]string{},
		people: map[string]*person{}, hashes: map[string]*person{}, ignored: map[string]bool{}, stats: newStats(),
	}
	for _, f := range faults() {
		if p.faults[f.name] {
			w.kinds = append(w.kinds, f)
		}
	}
	w.ended, w.end = context.WithCancel(context.Background())
	w.dead = w.aws.SQS.Create("dead", lambdatest.QueueConfig{})
	w.queue = w.aws.SQS.Create("unbind", lambdatest.QueueConfig{DeadLetter: w.dead, MaxReceives: queue.MaxReceives, Visibility: visibility})
	for _, m := range w.merchants() {
		w.rotate(m)
	}
	w.write()
	entry := `{"scheme":"bearer","keys":["` + key + `"],"merchants":["*"]}`
	w.aws.Secrets.Put(sourcesID, `{"unbind":`+entry+`,"hr":`+entry+`,"mapped":{"scheme":"bearer","keys":["`+key+`"],"merchants":["*"],`+
		`"left_when":{"what":["terminated"]},"cancel_when":{"what":["rehired"]},"uid":"who.id","effective":"last","id":"id","time":"at"}}`)
	return w
}

func (w *fixture) merchants() []string {
	if w.index {
		return merchants
	}
	return merchants[:1]
}

// rotate gives the merchant a new token at WeChat. The secret still has the old one.
func (w *fixture) rotate(merchant string) {
	value := w.wechat.Rotate(merchant)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tokens[value] = merchant
	w.written[merchant] = value
}

// write writes the latest tokens to the secrets, as a token server does.
func (w *fixture) write() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.index {
		w.aws.Secrets.Put(secretID, `{"authorizer_access_token":"`+w.written[merchants[0]]+`","authorizer_appid":"`+merchants[0]+`"}`)
		return
	}
	w.aws.Secrets.Put("wedata/second", `{"authorizer_access_token":"`+w.written[merchants[1]]+`"}`)
	w.aws.Secrets.Put(secretID, `{"authorizers":{"`+merchants[0]+`":{"authorizer_access_token":"`+w.written[merchants[0]]+`"},"`+
		merchants[1]+`":{"secret_id":"wedata/second"},"`+merchants[2]+`":{"authorizer_access_token":"`+w.written[merchants[2]]+`"}}}`)
}

func (w *fixture) merchantOf(token string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tokens[token]
}

// next returns how often it was called with that key before.
func (w *fixture) next(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.numbers[key]++
	return w.numbers[key] - 1
}

// happens reports whether a fault outside of the calls happens now.
func (w *fixture) happens(name, what string, rate float64) bool {
	if !w.faults[name] || w.healed.Load() {
		return false
	}
	if w.seed.roll(name+what, w.next(name+what)) >= rate*w.strength() {
		return false
	}
	w.count(&w.stats.faults, name)
	return true
}

// note adds a line to the story.
func (w *fixture) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.story = append(w.story, fmt.Sprintf("%9s  %s", time.Since(w.start).Round(100*time.Millisecond), line))
}

// sleep returns false where the run ended.
func (w *fixture) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.ended.Done():
		return false
	}
}

// newInstance starts a process of the function. It is put together as functions/unbind does it; only the HTTP clients
// and the clocks are others.
func (w *fixture) newInstance() *instance {
	i := &instance{fixture: w}
	w.mu.Lock()
	w.started++
	i.id = w.started
	w.mu.Unlock()
	now := func() time.Time { return time.Now().Add(time.Duration(i.skew.Load())) }
	client := &http.Client{Transport: i}
	sdk := aws.Config{
		Region: lambdatest.Region, BaseEndpoint: aws.String("http://127.0.0.1"),
		HTTPClient:  &http.Client{Transport: i, Timeout: 3 * time.Second},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 150 * time.Millisecond, nil })
			})
		},
	}
	api, err := wedata.New(wedata.Config{BaseURL: "http://127.0.0.1", HTTPClient: client})
	must(err)
	reader := secretsmanager.NewFromConfig(sdk)
	tokens := token.New(secrets.New(reader, secrets.Config{Now: now, Rand: func() float64 { return 0.5 }}), secretID)
	store := schedule.New(scheduler.NewFromConfig(sdk), schedule.Config{
		Group: group, RoleARN: "arn:aws:iam::123456789012:role/schedule", QueueARN: w.queue.ARN(), DeadLetterQueueARN: w.dead.ARN(), Now: now,
	})
	service, err := offboard.New(offboard.Config{API: api, Tokens: tokens, Schedules: store, Trust: w.trust, Now: now, Backoff: 1})
	must(err)
	decoder := departure.Decoder{Zone: time.FixedZone("UTC+08:00", 8*60*60)}
	i.handler, err = events.New(events.Config{
		Offboard: service, Queue: queue.New(sqs.NewFromConfig(sdk), w.queue.URL, w.dead.URL),
		Sources: source.New(source.Config{
			Secrets:  secrets.New(reader, secrets.Config{Hold: time.Minute, Now: now, Rand: func() float64 { return 0.5 }}),
			SecretID: sourcesID, Decoder: decoder, Merchants: tokens.Merchants, Now: now,
		}),
		Schedules: store, Decoder: decoder, Now: now, Log: slog.New(&logger{instance: i}),
	})
	must(err)
	return i
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// take returns an instance that has nothing to do.
func (w *fixture) take() *instance {
	w.mu.Lock()
	var i *instance
	if n := len(w.idle); n > 0 {
		i, w.idle = w.idle[n-1], w.idle[:n-1]
	}
	w.mu.Unlock()
	if i == nil {
		i = w.newInstance()
	}
	return i
}

var (
	errKilled = errors.New("the process was killed")
	errTime   = errors.New("task timed out")
)

// invoke invokes the function as Lambda does. It errs where the function errs, dies or takes too long.
func (w *fixture) invoke(trigger string, payload []byte, carries ...string) (reply []byte, err error) {
	who := firstUID(payload)
	w.count(&w.stats.invocations, trigger)
	if w.happens(faultStart, trigger+who, 0.2) {
		w.note("%s of %s: the function does not start", trigger, who)
		return nil, errKilled
	}
	i := w.take()
	inv := &invocation{trigger: trigger, began: time.Now(), carries: map[string]bool{}, by: map[string]int{}}
	for _, id := range carries {
		inv.carries[id] = true
	}
	inv.dies = w.happens(faultKill, trigger+who, 0.3)
	left := timeout
	if w.happens(faultDeadline, trigger+who, 0.4) {
		left = time.Duration(1+w.seed.pick("deadline"+who, w.next("deadline"+who), 12)) * time.Second
	}
	if w.happens(faultClock, trigger+who, 0.3) {
		jump := []time.Duration{0, time.Second, -time.Second, 30 * time.Second, -30 * time.Second, maxSkew, -maxSkew}
		i.skew.Store(int64(jump[w.seed.pick("clock"+who, w.next("clock"+who), len(jump))]))
	} else if w.healed.Load() {
		i.skew.Store(0)
	}
	ctx := lambdacontext.NewContext(w.ended, &lambdacontext.LambdaContext{AwsRequestID: fmt.Sprintf("request-%d", w.next("request"))})
	ctx, inv.cancel = context.WithTimeout(ctx, left)
	defer inv.cancel()
	i.now.Store(inv)
	w.note("%s of %s: invocation of instance %d, %s", trigger, who, i.id, left)
	reply, err = i.handler.Invoke(ctx, payload)
	i.now.Store(nil)
	took := time.Since(inv.began)
	w.worst("seconds of an invocation", took.Seconds(), who)
	switch {
	case i.dead.Load():
		w.note("%s of %s: killed", trigger, who)
		return nil, errKilled
	case w.ended.Err() != nil:
		return reply, err
	case took >= left:
		// Lambda has ended it without a word, and its last log lines may be missing.
		w.violated("the reply is out before the deadline", who, "%s took %s of %s", trigger, took, left)
		return nil, errTime
	}
	w.note("%s of %s: reply %s, error %v", trigger, who, reply, err)
	// Who sends an event by hand or by POST /unbind is told the uid. Vendors and SQS are not.
	w.secretIn("a reply", string(reply), trigger == "sqs" || bytes.Contains(payload, []byte("/hooks/")))
	if err != nil {
		w.secretIn("an error", err.Error(), true)
	}
	w.mu.Lock()
	w.idle = append(w.idle, i)
	w.mu.Unlock()
	w.bounded(inv, string(payload))
	return reply, err
}

// Invoke is for the stand-in of SQS.
func (w *fixture) Invoke(_ context.Context, event []byte) (lambdatest.Reply, error) {
	payload, err := w.invoke("sqs", event)
	if errors.Is(err, errKilled) || errors.Is(err, errTime) {
		return lambdatest.Reply{}, err
	}
	r := lambdatest.Reply{Payload: payload}
	if err != nil {
		r.ErrorType, r.ErrorMessage = "UnbindError", err.Error()
	}
	return r, nil
}

// RoundTrip answers a call of the function, or lets it fail. It dies in the middle where the plan wants it.
func (i *instance) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	if i.dead.Load() {
		return nil, errKilled
	}
	c := i.describe(r, body)
	c.number = i.next(c.key)
	i.count(&i.stats.calls, c.service+" "+c.operation)
	inv := i.now.Load()
	// When the process dies, it dies before the call or after it.
	before, after := false, false
	if inv != nil {
		inv.mu.Lock()
		inv.by[c.key]++
		inv.mu.Unlock()
		death := i.seed.roll("death"+c.key, c.number)
		before, after = inv.dies && death < 0.15, inv.dies && death > 0.85
	}
	i.checkCall(inv, c)
	switch c.service {
	case "sqs":
		i.checkMessages(body)
	case "scheduler":
		i.secretIn("a schedule", string(body), false)
		i.secretIn("the name of a schedule", r.URL.String(), true)
	}
	x := &exchange{Request: r, call: c}
	x.serve = func(body []byte) *httptest.ResponseRecorder { return i.stand(r, body) }
	// A call takes time, so that what runs at once can overtake. No two calls take the same, so that their order depends on
	// the seed alone.
	if !pause(x, 5*time.Millisecond+time.Duration(i.seed.roll("latency"+c.key, c.number)*float64(60*time.Millisecond))) {
		return nil, r.Context().Err()
	}
	if before {
		i.die(inv, c)
	}
	if i.dead.Load() {
		return nil, errKilled
	}
	f := i.faultOf(c)
	if f == nil {
		f = &fault{do: func(x *exchange) (*http.Response, error) { return x.served(), nil }}
	} else {
		i.count(&i.stats.faults, f.name)
		i.unread.Store(i.unread.Load() || c.service == "secrets")
		if inv != nil && c.operation == "list" && f.lasts() {
			inv.mu.Lock()
			inv.by[noList+c.merchant]++
			inv.mu.Unlock()
		}
	}
	i.note("instance %d: %s %s %s%s %s", i.id, c.service, c.operation, c.uid, c.merchant, f.name)
	resp, err := f.do(x)
	if whole := f.name == "" || strings.Contains(f.name, " is slow"); inv != nil && c.operation == "list" && whole && err == nil {
		inv.mu.Lock()
		inv.by[aList+c.merchant]++
		inv.mu.Unlock()
	}
	if after {
		i.die(inv, c)
		return nil, errKilled
	}
	return resp, err
}

func (i *instance) die(inv *invocation, c call) {
	if !i.dead.Swap(true) {
		i.note("instance %d dies at %s %s", i.id, c.service, c.operation)
		inv.cancel()
	}
}

// faultOf returns what goes wrong with a call, nil for nothing.
func (i *instance) faultOf(c call) *fault {
	if i.healed.Load() {
		return nil
	}
	if i.down(c.service) && i.seed.roll("outage"+c.key, c.number) < 0.95 {
		return &fault{name: faultOutage, do: []func(*exchange) (*http.Response, error){reset, hang, reply(503, "text/plain", ""), lost}[i.seed.pick("how down"+c.key, c.number/4, 4)]}
	}
	if i.seed.roll("fault"+c.key, c.number) >= i.rate() {
		return nil
	}
	total := 0
	for _, f := range i.kinds {
		if f.hits(c.service, c.operation) {
			total += f.weight
		}
	}
	if total == 0 {
		return nil
	}
	at := i.seed.pick("which"+c.key, c.number, total)
	for n, f := range i.kinds {
		if f.hits(c.service, c.operation) {
			if at -= f.weight; at < 0 {
				return &i.kinds[n]
			}
		}
	}
	return nil
}

// alone is how few faults count as alone.
const alone = 3

// rate is how many of the calls fail.
func (w *fixture) rate() float64 {
	if len(w.kinds) <= alone {
		return 0.4
	}
	return 0.4 * w.strength()
}

// strength scales the rates of all faults of a run: low in most runs, high in a few. A fault alone always has its full rate.
func (w *fixture) strength() float64 {
	if len(w.kinds) <= alone {
		return 1
	}
	return []float64{0.1, 0.1, 0.25, 0.25, 0.5, 1}[w.seed.pick("strength", 0, 6)]
}

// down reports whether the service is down now: each one for some hours.
func (w *fixture) down(service string) bool {
	if !w.faults[faultOutage] || len(w.kinds) > alone && w.seed.roll("outage", 0) < 0.7 {
		return false
	}
	from := time.Duration(w.seed.roll("outage of "+service, 0) * float64(20*time.Hour))
	since := time.Since(w.start)
	return since > from && since < from+time.Duration(w.seed.roll("outage of "+service, 1)*float64(7*time.Hour))
}

// stand lets the stand-in of the service answer.
func (w *fixture) stand(r *http.Request, body []byte) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	body = steady(body)
	again := r.Clone(r.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if strings.HasPrefix(r.URL.Path, "/wedata/") {
		again.Header.Set("Content-Length", strconv.Itoa(len(body)))
		w.wechat.ServeHTTP(recorder, again)
	} else {
		w.aws.ServeHTTP(recorder, again)
	}
	return recorder
}

// delays are the waits of messages in requests to SQS.
var delays = regexp.MustCompile(`"(VisibilityTimeout|DelaySeconds)":([0-9]+)`)

// steady takes the jitter out of the waits of messages, so that it changes the run less: the function adds up to a
// quarter of a wait, and the rest of the quarter is added here.
func steady(body []byte) []byte {
	return delays.ReplaceAllFunc(body, func(match []byte) []byte {
		name, value, _ := bytes.Cut(match, []byte(":"))
		seconds, _ := strconv.Atoi(string(value))
		for wait := 60; wait <= 3840; wait *= 2 {
			wait := min(wait, 3600)
			if seconds > wait && seconds <= wait*5/4+1 {
				return fmt.Appendf(name, ":%d", wait*5/4+1)
			}
		}
		return match
	})
}

// poll is one of the event source mapping's readers.
func (w *fixture) poll(after time.Duration) {
	w.sleep(after)
	for w.sleep(time.Second) {
		next := w.queue.Next()
		wait := time.Minute
		if !next.IsZero() {
			wait = min(wait, time.Until(next))
		}
		if wait > 0 {
			if !w.sleep(wait) {
				return
			}
			continue
		}
		d, _ := w.queue.DeliverDue(w.ended, w, batchSize)
		for _, m := range d.Received {
			w.worst("receives of a message", float64(m.Receives), firstUID([]byte(m.Body)))
			if m.Receives > maxReceives {
				w.violated("the load is bounded", firstUID([]byte(m.Body)), "received %d times", m.Receives)
			}
			// At most three times a person: copies of copies would be without end while nothing works.
			if who := firstUID([]byte(m.Body)); w.next("received "+who) < 3 && w.happens(faultTwice, who, 0.3) {
				w.queue.Send(m.Body, m.Attributes)
			}
		}
		for _, m := range d.Received {
			w.checkPlace(uids.FindAllString(m.Body, -1))
		}
	}
}

// fire is EventBridge Scheduler's clock: it delivers within a minute.
func (w *fixture) fire() {
	for w.sleep(30 * time.Second) {
		if next := w.aws.Scheduler.Next(); !next.IsZero() && !next.After(time.Now()) {
			for _, name := range w.aws.Scheduler.MoveTo(time.Now()) {
				w.note("the schedule %s fires", name)
			}
		}
	}
}

// keepTokens is the token server: it renews the tokens every 90 minutes, and is late or in disorder where the plan says so.
func (w *fixture) keepTokens() {
	for w.sleep(90 * time.Minute) {
		for _, m := range w.merchants() {
			if w.happens(faultExpire, m, 0.5) {
				w.note("the token of %s expires", m)
				w.wechat.Expire(m)
			}
		}
		if w.happens(faultExpire, "writing", 0.8) && !w.sleep(time.Duration(w.seed.pick("late", w.next("late"), 180))*time.Minute) {
			return
		}
		for _, m := range w.merchants() {
			w.rotate(m)
		}
		if w.happens(faultRotate, "writing", 0.5) && !w.sleep(time.Duration(w.seed.pick("write", w.next("write"), 90))*time.Minute) {
			return
		}
		w.write()
	}
}

// operate is the operator, who redrives the dead letters.
func (w *fixture) operate() {
	for w.sleep(redo) {
		if n := len(w.dead.Messages()); n > 0 {
			w.note("%d dead letters are redriven", n)
			w.add(&w.stats.ends, "dead letters redriven", n)
			w.dead.Redrive(w.queue)
		}
	}
}

// run runs the plan in a bubble of testing/synctest until everything is settled.
func (w *fixture) run() {
	w.populate()
	for _, loop := range []func(){func() { w.poll(0) }, func() { w.poll(123456789) }, w.fire, w.keepTokens, w.operate} {
		w.loops.Go(loop)
	}
	for _, p := range w.everybody() {
		for _, e := range p.events {
			if e.people[0] == p.uid {
				w.loops.Go(func() { w.send(e) })
			}
		}
	}
	defer func() {
		w.end()
		w.loops.Wait()
		time.Sleep(time.Minute) // a read of a secret goes on when its caller has left
	}()
	if !w.sleep(sick) {
		return
	}
	w.healed.Store(true)
	for _, m := range w.merchants() {
		w.rotate(m)
	}
	w.write()
	w.note("all faults end")
	for time.Since(w.start) < atMost && !w.settled() && w.sleep(30*time.Minute) {
	}
	w.checkEnd()
}

// settled reports whether nothing is left to do. What moves from one place to another in the same moment may be seen in
// neither, so this checks twice, the second time in a moment when nothing fires.
func (w *fixture) settled() bool { return w.quiet() && w.sleep(100*time.Second) && w.quiet() }

// quiet reports whether nothing is seen that is left to do.
func (w *fixture) quiet() bool {
	w.mu.Lock()
	sending := w.sending
	w.mu.Unlock()
	if sending > 0 || len(w.queue.Messages())+len(w.queue.InFlight()) > 0 {
		return false
	}
	for _, input := range w.aws.Scheduler.Inputs() {
		if !strings.Contains(input, ".expired") {
			return false
		}
	}
	return !slices.ContainsFunc(w.dead.Messages(), w.redrivable)
}

// redrivable reports whether a dead letter can be carried out once the faults have ended.
func (w *fixture) redrivable(m lambdatest.Message) bool {
	p := w.people[firstUID([]byte(m.Body))]
	return p == nil || p.events[0].kind != unreadable
}

// httpReply is what API Gateway gets from the function.
type httpReply struct {
	StatusCode int
	Body       string
}

func parseReply(payload []byte) (r httpReply) {
	_ = json.Unmarshal(payload, &r)
	return r
}
