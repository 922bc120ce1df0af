package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// A message is received maxReceives times, and once more where its first receipt split it into others.
const maxDeliveries = maxReceives + 3

// performance is one event's way through the function.
type performance struct {
	*stage
	out    *page
	fn     *lambdatest.Function
	logged int // how much of the function's log was shown
	call   int
	done   bool // so far, nothing has failed
}

// run shows what the function makes of the event. It reports whether all is done, and errs where the function could not
// be tried.
func run(ctx context.Context, s *stage, bootstrap string, timeout time.Duration, e event, out *page) (done bool, _ error) {
	out.hidden = s.tokens
	server, err := lambdatest.Serve("127.0.0.1:0", s)
	if err != nil {
		return false, err
	}
	defer server.Close()
	env := s.env(server.URL)
	env["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
	fn, err := lambdatest.Start(lambdatest.Config{Path: bootstrap, Env: env, Timeout: timeout})
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, fmt.Errorf("desk: no function at %s: `make run` builds it there, and so does `go build -o %[1]s ./functions/unbind`", bootstrap)
	case errors.Is(err, syscall.ENOEXEC):
		return false, fmt.Errorf("desk: %s is not for this machine: `go build -o %[1]s ./functions/unbind` builds one that is", bootstrap)
	case err != nil:
		return false, err
	}
	defer fn.Close()

	out.heading("On this machine alone: the real function among stand-ins")
	out.item("function ", bootstrap)
	out.item("stand-ins", "WeChat, Secrets Manager and SQS at "+server.URL)
	out.secret(s)
	before := s.bindings()
	out.bindings("Bind list before", before, s.merchants)
	out.heading("Event  %s (%s)", e.from, e.trigger)
	out.item("", short(e.payload, 500))

	p := &performance{stage: s, out: out, fn: fn, done: true}
	if len(e.records) > 0 {
		for _, r := range e.records {
			s.queue.Send(r.Body, nil)
		}
	} else {
		reply, err := fn.Invoke(ctx, e.raw)
		p.reply(reply, err)
	}
	p.deliver(ctx)
	p.deadLetters()
	after := s.bindings()
	out.bindings("Bind list after", after, s.merchants)
	p.conclude(before, after)
	return p.done, ctx.Err()
}

// deliver gives back to the function what it has queued, until nothing is left.
func (p *performance) deliver(ctx context.Context) {
	const batch = 10 // as in the template
	for n := 1; len(p.queue.Messages()) > 0 && ctx.Err() == nil; n++ {
		if n > maxDeliveries {
			p.done = false
			p.out.heading("Still %d messages in the queue after %d receives: given up here", len(p.queue.Messages()), maxDeliveries)
			return
		}
		d, err := p.queue.Deliver(ctx, p.fn, batch)
		wait := slices.MaxFunc(d.Received, func(a, b lambdatest.Message) int { return int(a.Delay - b.Delay) }).Delay
		times := slices.MaxFunc(d.Received, func(a, b lambdatest.Message) int { return a.Receives - b.Receives }).Receives
		p.out.heading("Queue  %s to the function (receive %d)%s", count(len(d.Received), "message"), times, onAWS(wait))
		for _, m := range d.Received {
			p.out.item("", short(m.Body, 500))
		}
		done := p.done
		p.reply(d.Reply, err)
		if err != nil {
			return
		}
		p.done = done // what goes wrong here is tried again, or ends in the dead-letter queue
		if len(d.Returned) > 0 {
			p.out.item("", count(len(d.Returned), "message")+" not done, back in the queue")
		}
		if len(d.Dead) > 0 {
			p.out.item("", fmt.Sprintf("%s received %d times, to the dead-letter queue", count(len(d.Dead), "message"), maxReceives))
		}
	}
}

func onAWS(wait time.Duration) string {
	if wait == 0 {
		return ""
	}
	return fmt.Sprintf("; on AWS it waits %v first", wait)
}

// reply shows what an invocation did, and what it ended in.
func (p *performance) reply(r lambdatest.Reply, err error) {
	calls := p.calls.take()
	p.out.heading("Calls  %d", len(calls))
	for _, c := range calls {
		p.call++
		p.out.call(p.call, c)
	}
	log := p.fn.Log()
	p.out.log(log[p.logged:])
	p.logged = len(log)
	switch {
	case err != nil:
		p.done = false
		p.out.heading("No reply")
		p.out.item("", err.Error())
	case r.Err() != nil:
		p.done = false
		p.out.heading("Error  %s, after %s", r.ErrorType, r.Duration.Round(time.Millisecond))
		p.out.item("", r.ErrorMessage)
	default:
		p.out.heading("Reply  after %s", r.Duration.Round(time.Millisecond))
		p.out.item("", short(string(r.Payload), 2000))
		var http struct{ StatusCode int }
		if json.Unmarshal(r.Payload, &http) == nil && http.StatusCode >= 400 {
			p.done = false
		}
	}
}

func (p *performance) deadLetters() {
	letters := p.dead.Messages()
	if len(letters) == 0 {
		return
	}
	p.done = false
	p.out.heading("Dead-letter queue  %s, which on AWS raises an alarm", count(len(letters), "message"))
	for _, m := range letters {
		p.out.item("", short(m.Body, 500))
		for _, name := range slices.Sorted(maps.Keys(m.Attributes)) {
			p.out.item("  "+name+":", m.Attributes[name].StringValue)
		}
	}
}

// conclude says what has become of the bindings.
func (p *performance) conclude(before, after map[string][]wedatatest.Binding) {
	fmt.Fprintln(p.out.w)
	changed := 0
	for _, merchant := range p.merchants {
		for i, b := range before[merchant] {
			now := after[merchant][i]
			switch {
			case !b.Bound || now.Bound:
				continue
			case now.Member:
				p.out.good(fmt.Sprintf("unbound: %s of %s, who is an administrator there and stays a member", b.UID, merchant))
			default:
				p.out.good(fmt.Sprintf("unbound: %s no longer sees the figures of %s", b.UID, merchant))
			}
			changed++
		}
	}
	switch {
	case !p.done && changed > 0:
		p.out.bad("not everything is done: the reason stands above")
	case !p.done:
		p.out.bad("nobody was unbound: the reason stands above")
	case changed == 0:
		p.out.good("the bind list is as it was")
	}
}

func (p *page) call(n int, c call) {
	label, request, arrow := fmt.Sprintf("%2d %-7s", n, c.service), short(c.request, 500), " → "
	if columns(label+request+arrow+c.result) > width-3 {
		arrow = "\n→ "
	}
	p.item(label, request+arrow+c.result)
}

func (p *page) secret(s *stage) {
	p.item("secret   ", secretID+" is "+s.secret)
}

func (p *page) bindings(title string, all map[string][]wedatatest.Binding, merchants []string) {
	p.heading("%s", title)
	for _, merchant := range merchants {
		var people []string
		for _, b := range all[merchant] {
			text := b.UID + " bound"
			if !b.Bound {
				text = b.UID + " not bound"
			}
			if b.Administrator {
				text += " (administrator)"
			}
			people = append(people, text)
		}
		p.item(merchant+" ", strings.Join(people, ", "))
	}
}

// log shows the outcomes in the function's log in short, and any other line as it is but the error that Lambda's library
// writes there, which is the reply's.
func (p *page) log(text string) {
	if text == "" {
		return
	}
	p.heading("Log")
	for line := range strings.Lines(text) {
		var entry struct {
			Status, UID, Merchant, Trigger, Reason string
			Attempts                               int
			ErrorMessage                           *string
		}
		json.Unmarshal([]byte(line), &entry) // a line that is no JSON is shown as it is
		switch {
		case entry.Status != "":
			facts := []string{entry.UID, entry.Merchant, count(entry.Attempts, "attempt"), "by " + entry.Trigger}
			facts = slices.DeleteFunc(facts, func(s string) bool { return s == "" })
			p.item(fmt.Sprintf("%-9s", entry.Status), strings.Join(facts, ", ")+"\n"+entry.Reason)
		case entry.ErrorMessage == nil && !strings.Contains(line, `{"errorMessage":`):
			p.item("", short(line, 1000))
		}
	}
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
