package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// report is all that was measured.
type report struct {
	Machine string    `json:"machine"`
	Options options   `json:"options"`
	Figures []*figure `json:"figures"`
	Bounds  []bound   `json:"bounds"`

	to io.Writer
}

// figure is one metric of one function in one scenario, as often as it was measured.
type figure struct {
	Scenario string    `json:"scenario"`
	Network  string    `json:"network,omitempty"` // the round trip to WeChat, and whether TLS is used
	Function string    `json:"function"`
	Metric   string    `json:"metric"`
	Unit     string    `json:"unit,omitempty"`
	Values   []float64 `json:"values"` // in the order of time
	Failed   []string  `json:"failed,omitempty"`
}

// of returns the figure for a metric.
func (f figure) of(metric, unit string) figure {
	f.Metric, f.Unit = metric, unit
	return f
}

func (r *report) find(f figure) *figure {
	for _, known := range r.Figures {
		if known.Scenario == f.Scenario && known.Network == f.Network &&
			known.Function == f.Function && known.Metric == f.Metric {
			return known
		}
	}
	return nil
}

func (r *report) add(f figure, value float64) {
	known := r.find(f)
	if known == nil {
		known = &f
		r.Figures = append(r.Figures, known)
	}
	known.Values = append(known.Values, math.Round(value*1000)/1000)
}

// use adds what a process took for so many events.
func (r *report) use(f figure, u usage, times int) {
	r.add(f.of("memory", "MB"), u.memory)
	if u.private > 0 {
		r.add(f.of("private memory", "MB"), u.private)
	}
	r.add(f.of("CPU of an event", "ms"), ms(u.cpu)/float64(times))
}

// fail notes that a function could not do what the scenario asks for.
func (r *report) fail(f figure, err error) {
	f = f.of("reply", "ms")
	known := r.find(f)
	if known == nil {
		known = &f
		r.Figures = append(r.Figures, known)
	}
	known.Failed = append(known.Failed, err.Error())
}

// quantile returns the value below which so many of the figure's values are; NaN where there are none.
func (f *figure) quantile(q float64) float64 {
	if f == nil || len(f.Values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(f.Values))
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

// typical returns the figure's value at the quantile that was chosen.
func (r *report) typical(scenario, network, function, metric string) float64 {
	f := figure{Scenario: scenario, Network: network, Function: function, Metric: metric}
	return r.find(f).quantile(r.Options.Quantile)
}

// print prints a table for each scenario and network, the bounds, and a chart.
func (r *report) print(contenders []contender) {
	fmt.Fprintf(r.to, "%s. Quantile %v of interleaved runs; 0.5 is the median. [99th percentile]. × is the ratio to the "+
		"first function that has a figure.\n", r.Machine, r.Options.Quantile)
	type group struct{ scenario, network string }
	var groups []group
	for _, f := range r.Figures {
		if g := (group{f.Scenario, f.Network}); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	for _, g := range groups {
		fmt.Fprintf(r.to, "\n%s%s\n", g.scenario, strings.TrimRight(", "+g.network, ", "))
		fmt.Fprintf(r.to, "  %-24s", "")
		for _, c := range contenders {
			fmt.Fprintf(r.to, "%28s", c.name)
		}
		fmt.Fprintln(r.to)
		var metrics []string
		for _, f := range r.Figures {
			if f.Scenario == g.scenario && f.Network == g.network && !slices.Contains(metrics, f.Metric) {
				metrics = append(metrics, f.Metric)
				fmt.Fprintf(r.to, "  %-24s", strings.TrimSuffix(f.Metric+", "+f.Unit, ", "))
				r.row(contenders, *f)
			}
		}
	}
	r.chart(contenders)
	r.checkBounds()
}

func (r *report) row(contenders []contender, f figure) {
	base := math.NaN()
	for _, c := range contenders {
		f.Function = c.name
		known := r.find(f)
		cell := "-"
		switch value := known.quantile(r.Options.Quantile); {
		case !math.IsNaN(value):
			if math.IsNaN(base) {
				base = value
			}
			cell = fmt.Sprintf("%.4g", value)
			if len(known.Values) >= 20 {
				cell += fmt.Sprintf(" [%.4g]", known.quantile(0.99))
			}
			if base > 0 && base != value {
				cell += fmt.Sprintf(" %.2f×", value/base)
			}
		case known != nil && len(known.Failed) > 0:
			cell = "failed"
		}
		if known != nil && len(known.Failed) > 0 && cell != "failed" {
			cell += fmt.Sprintf(" %d failed", len(known.Failed))
		}
		fmt.Fprintf(r.to, "%28s", cell)
	}
	fmt.Fprintln(r.to)
}

// chart draws the cold starts.
func (r *report) chart(contenders []contender) {
	const width = 60
	fmt.Fprintln(r.to, "\nA cold start: ░ until the function is ready, ▒ until WeChat has the request, █ until the reply")
	longest := 0.0
	var networks []string
	for _, f := range r.Figures {
		if f.Scenario == "cold" && f.Metric == "start to reply" {
			longest = max(longest, f.quantile(r.Options.Quantile))
			if !slices.Contains(networks, f.Network) {
				networks = append(networks, f.Network)
			}
		}
	}
	for _, n := range networks {
		fmt.Fprintf(r.to, "%s\n", n)
		for _, c := range contenders {
			ready, reply := r.typical("cold", n, c.name, "start to ready"), r.typical("cold", n, c.name, "start to reply")
			request := r.typical("cold", n, c.name, "start to request")
			if math.IsNaN(request) {
				request = ready
			}
			bar := ""
			for i := range int(math.Ceil(reply / longest * width)) {
				switch at := (float64(i) + 0.5) * longest / width; {
				case at < ready:
					bar += "░"
				case at < request:
					bar += "▒"
				default:
					bar += "█"
				}
			}
			fmt.Fprintf(r.to, "  %-18s %s %.1f ms\n", c.name, bar, reply)
		}
		if limit := r.limit(n); !math.IsNaN(limit) {
			fmt.Fprintf(r.to, "  %-18s %s %.1f ms until WeChat has the request\n", "the limit",
				strings.Repeat("▒", int(math.Ceil(limit/longest*width))), limit)
		}
	}
}

// limit is the earliest time at which WeChat can have the request: a process must start, a connection and TLS 1.3 take
// a round trip each, and the request itself half of one.
func (r *report) limit(network string) float64 {
	var rtt float64
	var security string
	if _, err := fmt.Sscanf(network, "%f ms %s", &rtt, &security); err != nil {
		return math.NaN()
	}
	trips := 1.5
	if security == "TLS" {
		trips = 2.5
	}
	return r.typical("cold", network, echoes, "start to ready") + trips*rtt
}
