package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"syscall"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
)

// freezeTime is longer than the function keeps an idle connection.
const freezeTime = time.Minute

// options say how often things are measured.
type options struct {
	Cold, Warm, Batches, Many int
	Freeze                    time.Duration
	Only                      string  // a part of the names of the steps to take
	Quantile                  float64 // of all values, that is shown and compared
	Quick                     bool    // few networks and few departures, to see that the bench itself works
}

// bench measures contenders, and puts the figures into the report.
type bench struct {
	options
	dir        string
	contenders []contender
	report     *report
}

func (b *bench) all() error {
	near, middle, far := b.network(0, 0), b.network(5, 2), b.network(50, 2)
	networks := []network{near, middle, far, secure(near), secure(middle), secure(far)}
	if b.Quick {
		networks = []network{near, secure(middle)}
		far = middle
	}
	type step struct {
		name    string
		measure func(network) error
		network network
	}
	var steps []step
	for _, n := range networks {
		steps = append(steps, step{"single", b.single, n})
	}
	far = secure(far)
	steps = append(steps, []step{
		{"freeze", b.frozen, far},
		{"batch", b.batched, far},
		{"everywhere", b.everywhere, far},
		{"webhook", b.webhook, far},
		{"crowd", b.crowd, near},
		{"long", b.long, near},
	}...)
	var names []string
	for _, s := range steps {
		names = append(names, s.name+", "+s.network.String())
	}
	if !strings.Contains(strings.Join(names, "\n"), b.Only) {
		return fmt.Errorf("no step has ONLY=%s in its name; the steps are:\n  %s", b.Only, strings.Join(names, "\n  "))
	}
	for i, s := range steps {
		if !strings.Contains(names[i], b.Only) {
			continue
		}
		if err := s.measure(s.network); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) network(wechat, aws time.Duration) network {
	return network{wechat: wechat * time.Millisecond, aws: aws * time.Millisecond}
}

func secure(n network) network {
	n.tls = true
	return n
}

// turn returns the contenders in another order each time: whoever comes after a slow one must not always be the same.
func (b *bench) turn(i int) []contender {
	n := len(b.contenders)
	order := make([]contender, n)
	for j := range order {
		order[j] = b.contenders[(i+j)%n]
	}
	return order
}

// calls reports whether the contender calls WeChat.
func (c contender) calls() bool { return c.name != echoes }

// single measures SNS events of one departure: with a process started for each, then by one that runs already.
func (b *bench) single(n network) error {
	w, err := newServices(n, 1, 10, b.dir)
	if err != nil {
		return err
	}
	defer w.close()
	event := snsEvent(payload(0, ""))
	for i := range b.Cold {
		for _, c := range b.turn(i) {
			if err := b.coldStart(w, "cold", c, event); err != nil {
				return err
			}
		}
	}
	return b.compare(w, "warm", b.Warm, event, nil)
}

func (b *bench) coldStart(w *services, scenario string, c contender, event []byte) error {
	w.reset()
	calls, reads := len(w.server.Calls()), w.aws.Secrets.Reads(secretID)
	r, err := w.start(c)
	if err != nil {
		return err
	}
	started, asked, err := r.Ready(context.Background())
	if err != nil {
		return err
	}
	if _, err := r.invoke(event); err != nil {
		return err
	}
	replied := time.Now()
	used, err := r.end()
	if err != nil {
		return err
	}
	f := figure{Scenario: scenario, Network: w.String(), Function: c.name}
	b.report.add(f.of("start to ready", "ms"), ms(asked.Sub(started)))
	b.report.add(f.of("start to reply", "ms"), ms(replied.Sub(started)))
	b.report.use(f, used, 1)
	if c.calls() {
		if !w.unbound() {
			return fmt.Errorf("%s, %v: replied, and nobody is unbound", c.name, w.network)
		}
		b.report.add(f.of("start to request", "ms"), ms(w.first().Sub(started)))
		b.report.add(f.of("calls of WeChat", ""), float64(len(w.server.Calls())-calls))
		b.report.add(f.of("connections to WeChat", ""), float64(w.conns.Load()))
		b.report.add(f.of("reads of the token", ""), float64(w.aws.Secrets.Reads(secretID)-reads))
	}
	return nil
}

// compare sends the event to a running process of each contender that takes it, in turn.
func (b *bench) compare(w *services, scenario string, times int, event []byte, takes func(contender) bool) error {
	runs := map[string]*run{}
	for _, c := range b.contenders {
		if takes != nil && !takes(c) {
			continue
		}
		r, err := w.start(c)
		if err != nil {
			return err
		}
		defer r.Close()
		runs[c.name] = r
	}
	const warmUp = 2
	for i := range times + warmUp {
		for _, c := range b.turn(i) {
			r := runs[c.name]
			if r == nil {
				continue
			}
			before := len(w.server.Calls())
			took, err := r.invoke(event)
			calls := len(w.server.Calls()) - before
			f := figure{Scenario: scenario, Network: w.String(), Function: c.name}
			switch {
			case err != nil:
				b.report.fail(f, err)
				delete(runs, c.name) // it would fail each time
			case i >= warmUp:
				b.report.add(f.of("reply", "ms"), ms(took))
				b.report.add(f.of("calls of WeChat", ""), float64(calls))
			}
		}
	}
	for name, r := range runs {
		used, err := r.end()
		if err != nil {
			return err
		}
		b.report.use(figure{Scenario: scenario, Network: w.String(), Function: name}, used, times+warmUp)
	}
	return nil
}

// frozen measures the first event after a freeze in which all connections died.
func (b *bench) frozen(n network) error {
	w, err := newServices(n, 1, 10, b.dir)
	if err != nil {
		return err
	}
	defer w.close()
	event := snsEvent(payload(0, ""))
	var runs []*run
	for i := range b.Batches {
		for _, c := range b.turn(i) {
			r, err := w.start(c)
			if err != nil {
				return err
			}
			defer r.Close()
			if _, err := r.invoke(event); err != nil {
				return err
			}
			if err := r.Signal(syscall.SIGSTOP); err != nil {
				return err
			}
			runs = append(runs, r)
		}
	}
	for _, far := range w.wires {
		far.die()
	}
	time.Sleep(b.Freeze)
	for _, r := range runs {
		before := len(w.server.Calls())
		w.reset()
		if err := r.Signal(syscall.SIGCONT); err != nil {
			return err
		}
		f := figure{Scenario: "after a freeze", Network: w.String(), Function: r.of.name}
		took, err := r.invoke(event)
		if err != nil {
			b.report.fail(f, err)
			continue
		}
		b.report.add(f.of("reply", "ms"), ms(took))
		b.report.add(f.of("calls of WeChat", ""), float64(len(w.server.Calls())-before))
	}
	return nil
}

// batched measures SQS batches of 10 for one merchant and for ten, beside one event with the same services, and a cold one.
func (b *bench) batched(n network) error {
	w, err := newServices(n, 10, 10, b.dir)
	if err != nil {
		return err
	}
	defer w.close()
	var one, ten []string
	for i := range 10 {
		one = append(one, payload(i, merchant(0)))
		ten = append(ten, payload(i, merchant(i)))
	}
	for _, row := range []struct {
		scenario string
		event    []byte
	}{
		{"one event among ten merchants", snsEvent(payload(0, merchant(0)))},
		{"SQS batch of 10, one merchant", sqsEvent(one)},
		{"SQS batch of 10, ten merchants", sqsEvent(ten)},
	} {
		if err := b.compare(w, row.scenario, 2*b.Batches, row.event, contender.calls); err != nil {
			return err
		}
	}
	for i := range b.Batches {
		for _, c := range b.turn(i) {
			if err := b.coldStart(w, "cold SQS batch of 10, ten merchants", c, sqsEvent(ten)); err != nil {
				return err
			}
		}
	}
	return nil
}

// everywhere measures a departure from 300 merchants.
func (b *bench) everywhere(n network) error {
	merchants := 300
	if b.Quick {
		merchants = 30
	}
	w, err := newServices(n, merchants, 1, b.dir)
	if err != nil {
		return err
	}
	defer w.close()
	scenario := fmt.Sprintf("one uid at %d merchants", merchants)
	return b.compare(w, scenario, max(1, b.Batches-2), []byte(payload(0, "")), contender.calls)
}

// webhook measures a webhook up to its answer, when the queue has the departure.
func (b *bench) webhook(n network) error {
	w, err := newServices(n, 1, 1, b.dir)
	if err != nil {
		return err
	}
	defer w.close()
	event := must(json.Marshal(map[string]any{
		"version": "2.0", "routeKey": "POST /hooks/{source}", "rawPath": "/hooks/hr",
		"headers":         map[string]string{"content-type": "application/json", "authorization": "Bearer key-of-the-bench"},
		"requestContext":  map[string]any{"http": map[string]string{"method": "POST", "path": "/hooks/hr"}},
		"body":            `{"type":"employee.left","data":{"uid":"E0001"}}`,
		"isBase64Encoded": false, "pathParameters": map[string]string{"source": "hr"},
	}))
	return b.compare(w, "webhook", b.Warm/2+1, event, func(c contender) bool { return c.name != obvious })
}

// crowd measures an event with as many departures as are allowed.
func (b *bench) crowd(n network) error {
	people := 5000
	if b.Quick {
		people = 50
	}
	w, err := newServices(n, 1, people, b.dir)
	if err != nil {
		return err
	}
	defer w.close()
	uids := make([]string, people)
	for i := range uids {
		uids[i] = uid(i)
	}
	event := must(json.Marshal(map[string]any{"uid": uids}))
	return b.compare(w, fmt.Sprintf("%d pairs", people), max(1, b.Batches-2), event, contender.calls)
}

// long measures very many events of one process: whether it stays small and quick.
func (b *bench) long(n network) error {
	w, err := newServices(n, 1, 10, b.dir)
	if err != nil {
		return err
	}
	defer w.close()
	event := snsEvent(payload(0, ""))
	for _, c := range b.contenders {
		r, err := w.start(c)
		if err != nil {
			return err
		}
		defer r.Close()
		started := time.Now()
		for range b.Many {
			if _, err := r.invoke(event); err != nil {
				return err
			}
		}
		took := time.Since(started)
		used, err := r.end()
		if err != nil {
			return err
		}
		f := figure{Scenario: fmt.Sprintf("%d events", b.Many), Network: w.String(), Function: c.name}
		b.report.add(f.of("time", "s"), took.Seconds())
		b.report.use(f, used, b.Many)
	}
	return nil
}

func payload(i int, merchant string) string {
	p := map[string]string{"uid": uid(i)}
	if merchant != "" {
		p["merchant"] = merchant
	}
	return string(must(json.Marshal(p)))
}

func snsEvent(payload string) []byte {
	return must(json.Marshal(awsevents.SNSEvent{Records: []awsevents.SNSEventRecord{{
		EventVersion: "1.0", EventSource: "aws:sns",
		SNS: awsevents.SNSEntity{
			Type: "Notification", MessageID: "95df01b4-ee98-5cb9-9903-4c221d41eb5e", Message: payload,
			TopicArn: "arn:aws:sns:us-east-1:123456789012:employee-left", Timestamp: time.Now(),
		},
	}}}))
}

func sqsEvent(payloads []string) []byte {
	var event awsevents.SQSEvent
	for i, body := range payloads {
		event.Records = append(event.Records, awsevents.SQSMessage{
			MessageId: fmt.Sprintf("message-%d", i), ReceiptHandle: fmt.Sprintf("handle-%d", i), Body: body,
			Attributes:  map[string]string{"ApproximateReceiveCount": "1", "SentTimestamp": "1795395600000"},
			EventSource: "aws:sqs", AWSRegion: "us-east-1", EventSourceARN: "arn:aws:sqs:us-east-1:123456789012:unbind",
		})
	}
	return must(json.Marshal(event))
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err) // the events above are constants but for names
	}
	return b
}

func ms(d time.Duration) float64 { return math.Round(float64(d.Microseconds())) / 1000 }
