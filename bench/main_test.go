package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The whole bench, once and with few departures: it must not rot between the runs that somebody looks at.
func TestTheBenchMeasuresEveryScenario(t *testing.T) {
	if os.Getenv("BENCH_CHECK") == "" {
		t.Skip("make bench-check runs it: it builds three programs and starts each of them often")
	}
	file := filepath.Join(t.TempDir(), "bench.json")
	var text strings.Builder
	few := options{Cold: 1, Warm: 1, Batches: 1, Many: 3, Freeze: 10 * time.Millisecond, Quantile: 0.5, Quick: true}
	if err := measure(few, "", file, &text); err != nil {
		t.Fatal(err)
	}
	var r report
	content, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(content, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	for scenario, metric := range map[string]string{
		"size": "zip", "cold": "start to request", "warm": "reply", "after a freeze": "reply", "webhook": "reply",
		"one event among ten merchants": "reply", "SQS batch of 10, one merchant": "reply",
		"SQS batch of 10, ten merchants": "reply", "one uid at 30 merchants": "reply",
		"cold SQS batch of 10, ten merchants": "start to reply", "50 pairs": "reply", "3 events": "time",
	} {
		found := false
		for _, f := range r.Figures {
			found = found || f.Scenario == scenario && f.Function == verified && f.Metric == metric && len(f.Values) > 0
		}
		if !found {
			t.Errorf("no figure of %s: %s", scenario, metric)
		}
		if !strings.Contains(text.String(), "\n"+scenario) {
			t.Errorf("the report does not show %s", scenario)
		}
	}
	if t.Failed() {
		t.Log(text.String())
	}
}

func TestOneLostTryOrFailedEventDoesNotHold(t *testing.T) {
	for name, row := range map[string]struct {
		disturb func(*report, figure)
		bound   string
	}{
		"one of five made a third call": {func(r *report, f figure) { r.add(f, 3) }, "after a freeze, 50 ms TLS: calls of WeChat, the most"},
		"one of five failed":            {func(r *report, f figure) { r.fail(f, errors.New("reset")) }, "events that failed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := report{Options: options{Quantile: 0.5}, to: io.Discard}
			f := figure{Scenario: "after a freeze", Network: "50 ms TLS", Function: verified, Metric: "calls of WeChat"}
			for range 4 {
				r.add(f, 2)
			}
			row.disturb(&r, f)
			r.checkBounds()
			for _, b := range r.Bounds {
				if b.Holds != (b.What != row.bound) {
					t.Errorf("%+v", b)
				}
			}
			if len(r.Bounds) != 2 {
				t.Errorf("%d bounds", len(r.Bounds))
			}
		})
	}
}

// What crosses a wire takes the time of the network, connections and handshakes too.
func TestAWireHasTheDistanceThatItSays(t *testing.T) {
	const rtt = 20 * time.Millisecond
	for name, row := range map[string]struct {
		tls   bool
		trips float64 // until the first request is there
	}{
		"plain: connect, send": {false, 1.5},
		"TLS 1.3: one more":    {true, 2.5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shortest := time.Hour // other work on the machine adds to the others
			for range 5 {
				w, err := newServices(network{rtt, 0, row.tls}, 1, 1, t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				get(t, w)
				shortest = min(shortest, w.first().Sub(began))
				w.close()
			}
			least := time.Duration(row.trips * float64(rtt))
			if shortest < least || shortest > least+rtt/2 {
				t.Errorf("the first request took %v, want %v", shortest, least)
			}
		})
	}
}

// get sends a request to the WeChat of w.
func get(t *testing.T, w *services) {
	t.Helper()
	roots := x509.NewCertPool()
	if text, err := os.ReadFile(w.env["SSL_CERT_FILE"]); err == nil {
		roots.AppendCertsFromPEM(text)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	defer transport.CloseIdleConnections()
	reply, err := (&http.Client{Transport: transport}).Get(w.env["WEDATA_BASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
}

func TestAStepThatIsNotThereIsAnError(t *testing.T) {
	err := (&bench{options: options{Only: "nothing"}}).all()
	if err == nil || !strings.Contains(err.Error(), "ONLY=nothing") || !strings.Contains(err.Error(), "freeze, 50 ms TLS") {
		t.Errorf("got %v, want the steps that there are", err)
	}
}
