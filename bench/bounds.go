package main

import (
	"fmt"
	"math"
)

// bound is what must hold within one run.
type bound struct {
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Most  float64 `json:"most"`
	Holds bool    `json:"holds"`
}

// concurrency is how many calls of WeChat the function makes at once.
const concurrency = 16

// checkBounds compares the figures with what docs/performance.md promises.
func (r *report) checkBounds() {
	const (
		near = "0 ms plain"
		far  = "50 ms TLS"
		trip = 50.0
	)
	cold := func(network, function, metric string) float64 { return r.typical("cold", network, function, metric) }
	reply := func(scenario, function string) float64 { return r.typical(scenario, far, function, "reply") }
	size := func(function string) float64 { return r.typical("size", "", function, "zip") }
	check := func(what string, value, most float64) {
		if !math.IsNaN(value) && !math.IsNaN(most) {
			r.Bounds = append(r.Bounds, bound{what, math.Round(value*1000) / 1000, most, value <= most})
		}
	}
	request := cold(far, verified, "start to request")
	check("start to request, "+far+": to the limit", request/r.limit(far), 1.05)
	check("start to request, "+far+": to obvious", request/cold(far, obvious, "start to request"), 0.85)
	check("INIT, "+near+": to echo", cold(near, verified, "start to ready")/cold(near, echoes, "start to ready"), 1.5)
	warm := reply("warm", echoes) + trip
	check("warm without verification, "+far+": to echo and a round trip", reply("warm", trusting)/warm, 1.05)
	check("warm, "+far+": to echo and two round trips", reply("warm", verified)/(warm+trip), 1.05)
	check("after a freeze, "+far+": to cold", reply("after a freeze", verified)/cold(far, verified, "start to reply"), 1)
	calls := r.find(figure{Scenario: "after a freeze", Network: far, Function: verified, Metric: "calls of WeChat"})
	check("after a freeze, "+far+": calls of WeChat, the most", calls.quantile(1), 2)
	check("SQS batch of 10 for ten merchants, "+far+": to one event",
		reply("SQS batch of 10, ten merchants", verified)/reply("one event among ten merchants", verified), 1.3)
	check("one uid at 300 merchants, "+far+": to 2 × 300/16 round trips",
		reply("one uid at 300 merchants", verified)/(2*math.Ceil(300.0/concurrency)*trip), 1.2)
	const queueTrip = 2.0
	check("webhook, "+far+": ms more than echo and a round trip to SQS",
		reply("webhook", verified)-reply("webhook", echoes)-queueTrip, 1)
	check("memory, cold, "+far+": to obvious", cold(far, verified, "memory")/cold(far, obvious, "memory"), 1)
	check("zip: to obvious", size(verified)/size(obvious), 1.2)
	check("events that failed", float64(r.failures(verified)+r.failures(trusting)), 0)
	if len(r.Bounds) > 0 {
		fmt.Fprintln(r.to, "\nBounds")
	}
	for _, b := range r.Bounds {
		verdict := "holds"
		if !b.Holds {
			verdict = "DOES NOT HOLD"
		}
		fmt.Fprintf(r.to, "  %-78s %6.2f ≤ %.2f  %s\n", b.What, b.Value, b.Most, verdict)
	}
}

// failures returns how many events of the function failed. A scenario's time is that of the others.
func (r *report) failures(function string) int {
	n := 0
	for _, f := range r.Figures {
		if f.Function == function {
			n += len(f.Failed)
		}
	}
	return n
}
