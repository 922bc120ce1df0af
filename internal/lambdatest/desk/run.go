package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// A message is received maxReceives times, and once more where its first receipt split it into others.
const maxDeliveries = maxReceives + 3

// runner sends events to the function and shows what follows.
type runner struct {
	*standIns
	out    *page
	fn     *lambdatest.Function
	logged int  // how much of the function's log was shown
	called int  // how many calls were shown
	done   bool // so far, nothing has failed
}

// run sends the events to the function and shows the result. It reports whether all is done, and errs where the
// function could not be run.
func run(ctx context.Context, s *standIns, bootstrap string, all []event, out *page) (done bool, _ error) {
	out.hidden = token
	server, err := lambdatest.Serve("127.0.0.1:0", s)
	if err != nil {
		return false, err
	}
	defer server.Close()
	env := s.env(server.URL)
	env["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
	fn, err := lambdatest.Start(lambdatest.Config{Path: bootstrap, Env: env})
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, fmt.Errorf("desk: no function at %s: `make run` builds it there", bootstrap)
	case errors.Is(err, syscall.ENOEXEC):
		return false, fmt.Errorf("desk: %s is not for this machine: `make run` builds one that is", bootstrap)
	case err != nil:
		return false, err
	}
	defer fn.Close()

	out.heading("On this machine alone: the real function among stand-ins")
	out.item("function ", bootstrap)
	out.item("stand-ins", "WeChat, Secrets Manager, SQS and EventBridge Scheduler at "+server.URL)
	out.item("secret   ", secretID+" is "+s.secret)
	before := s.wechat.Bindings(merchant)
	out.bindings("Bind list before", before)
	r := &runner{standIns: s, out: out, fn: fn, done: true}
	for _, e := range all {
		out.heading("Event  %s (%s)", e.from, e.trigger)
		out.item("", short(e.payload, 500))
		if len(e.bodies) > 0 {
			for _, body := range e.bodies {
				s.queue.Send(body, nil)
			}
		} else {
			reply, err := fn.Invoke(ctx, e.raw)
			r.reply(reply, err)
		}
		r.deliver(ctx)
	}
	r.later(ctx)
	r.deadLetters()
	after := s.wechat.Bindings(merchant)
	out.bindings("Bind list after", after)
	r.conclude(before, after)
	return r.done, ctx.Err()
}

// later moves the clock to each day for which a departure was scheduled.
func (r *runner) later(ctx context.Context) {
	scheduler := r.aws.Scheduler
	for ctx.Err() == nil {
		day, ok := r.calls.nextDay(scheduler.Now())
		if !ok {
			return
		}
		fired := scheduler.MoveTo(day)
		r.out.heading("Later  it is %s for EventBridge Scheduler: %s to the queue",
			day.Format("2006-01-02T15:04Z07:00"), count(len(fired), "message"))
		isAhead := func(m lambdatest.Message) bool { return scheduler.Present(m.Body) != m.Body }
		if len(fired) == 0 {
			r.out.item("", "Nothing is scheduled for this day any more: it was moved or taken back.")
		} else if slices.ContainsFunc(r.queue.Messages(), isAhead) {
			r.out.item("", "The function's own clock cannot be moved. So the desk writes the present moment in the place of "+
				"effective_at.")
		}
		r.deliver(ctx)
	}
}

// deliver delivers the queue's messages to the function until the queue is empty.
func (r *runner) deliver(ctx context.Context) {
	const batch = 10 // as in the template
	for n := 1; len(r.queue.Messages()) > 0 && ctx.Err() == nil; n++ {
		if n > maxDeliveries {
			r.done = false
			r.out.heading("Still %d messages in the queue after %d receives: given up here",
				len(r.queue.Messages()), maxDeliveries)
			return
		}
		d, err := r.queue.Deliver(ctx, r.aws.Scheduler.OnTheDay(r.fn), batch)
		var wait time.Duration
		times := 0
		for _, m := range d.Received {
			wait, times = max(wait, m.Delay), max(times, m.Receives)
		}
		hidden := ""
		if wait > 0 {
			hidden = fmt.Sprintf("; on AWS it waits %v first", wait)
		}
		r.out.heading("Queue  %s to the function (receive %d)%s", count(len(d.Received), "message"), times, hidden)
		for _, m := range d.Received {
			r.out.item("", short(r.aws.Scheduler.Present(m.Body), 500))
		}
		done := r.done
		r.reply(d.Reply, err)
		if err != nil {
			return
		}
		r.done = done // what fails here is tried again, or ends in the dead-letter queue
		if len(d.Returned) > 0 {
			r.out.item("", count(len(d.Returned), "message")+" not done, back in the queue")
		}
		if len(d.Dead) > 0 {
			dead := count(len(d.Dead), "message")
			r.out.item("", fmt.Sprintf("%s received %d times, to the dead-letter queue", dead, maxReceives))
		}
	}
}

// reply shows the calls, the log and the reply of an invocation.
func (r *runner) reply(reply lambdatest.Reply, err error) {
	calls := r.calls.take()
	r.out.heading("Calls  %d", len(calls))
	for _, c := range calls {
		r.called++
		r.out.call(r.called, c)
	}
	log := r.fn.Log()
	r.out.log(log[r.logged:])
	r.logged = len(log)
	switch {
	case err != nil:
		r.done = false
		r.out.heading("No reply")
		r.out.item("", err.Error())
	case reply.Err() != nil:
		r.done = false
		r.out.heading("Error  %s, after %s", reply.ErrorType, reply.Duration.Round(time.Millisecond))
		r.out.item("", reply.ErrorMessage)
	default:
		r.out.heading("Reply  after %s", reply.Duration.Round(time.Millisecond))
		r.out.item("", short(string(reply.Payload), 2000))
		var http struct{ StatusCode int }
		if json.Unmarshal(reply.Payload, &http) == nil && http.StatusCode >= 400 {
			r.done = false
		}
	}
}

func (r *runner) deadLetters() {
	letters := r.dead.Messages()
	if len(letters) == 0 {
		return
	}
	r.done = false
	r.out.heading("Dead-letter queue  %s, which on AWS raises an alarm", count(len(letters), "message"))
	for _, m := range letters {
		r.out.item("", short(m.Body, 500))
		for _, name := range slices.Sorted(maps.Keys(m.Attributes)) {
			r.out.item("  "+name+":", m.Attributes[name].StringValue)
		}
	}
}

// conclude shows which bindings are gone.
func (r *runner) conclude(before, after []wedatatest.Binding) {
	fmt.Fprintln(r.out.w)
	changed := 0
	for i, b := range before {
		if !b.Bound || after[i].Bound {
			continue
		}
		changed++
		if after[i].Member {
			r.out.good(fmt.Sprintf("unbound: %s of %s, who is an administrator there and stays a member", b.UID, merchant))
		} else {
			r.out.good(fmt.Sprintf("unbound: %s no longer sees the figures of %s", b.UID, merchant))
		}
	}
	switch {
	case !r.done && changed > 0:
		r.out.bad("not everything is done: the reason stands above")
	case !r.done:
		r.out.bad("nobody was unbound: the reason stands above")
	case changed == 0:
		r.out.good("the bind list is as it was")
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
