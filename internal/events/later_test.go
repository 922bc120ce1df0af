package events_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/lambdatest"
)

// Whatever EventBridge Scheduler does and whichever way a departure comes, nobody is unbound before the moment, and
// everybody afterwards. The stand-in for SQS delivers without waiting, so the function is asked too early all the time.
func TestNobodyIsUnboundTooEarlyOrNever(t *testing.T) {
	ways := map[string]func(t *testing.T, b *bench, payload string){
		"SNS": func(t *testing.T, b *bench, payload string) {
			if _, err := b.send(t, snsEvent(t, payload)); err != nil {
				t.Error(err)
			}
		},
		"SQS": func(_ *testing.T, b *bench, payload string) { b.queue.Send(payload, nil) },
		"by hand": func(t *testing.T, b *bench, payload string) {
			if _, err := b.send(t, payload); err != nil {
				t.Error(err)
			}
		},
	}
	for _, tc := range []struct {
		name  string
		fault lambdatest.Fault
	}{
		{"all is well", lambdatest.Fault{}},
		{"Scheduler is throttled", lambdatest.Fault{Times: 6, Code: "ThrottlingException", Status: 429}},
		{"the quota is used up", lambdatest.Fault{Times: 6, Code: "ServiceQuotaExceededException", Status: 402}},
		{"Scheduler denies", lambdatest.Fault{Times: 6, Code: "AccessDeniedException", Status: 403}},
		{"Scheduler has a fault", lambdatest.Fault{Times: 6, Code: "InternalServerException", Status: 500}},
		{"Scheduler hangs", lambdatest.Fault{Times: 2, Hang: true}},
		{"Scheduler breaks the connection", lambdatest.Fault{Times: 6, Drop: true}},
		{"a proxy answers", lambdatest.Fault{Times: 6, Status: 502}},
	} {
		for way, send := range ways {
			for _, ahead := range []time.Duration{20 * time.Second, 90 * time.Second, 3 * time.Hour} {
				t.Run(fmt.Sprint(tc.name, ", ", way, ", due in ", ahead), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := newBench(t, options{later: true})
						if tc.fault != (lambdatest.Fault{}) {
							b.scheduler.Fail(tc.fault)
						}
						due := time.Now().Add(ahead)
						send(t, b, `{"uid":"E1001","effective_at":"`+due.Format(time.RFC3339)+`"}`)
						for b.bound("E1001") {
							if time.Since(due) > 2*time.Minute {
								t.Fatalf("E1001 is bound 2 min after it was due; %d messages, %d dead letters, schedules %v",
									len(b.queue.Messages()), len(b.dead.Messages()), b.scheduler.Due())
							}
							time.Sleep(ahead / 8)
							b.scheduler.MoveTo(time.Now())
							b.deliver(t)
						}
						if time.Now().Before(due) {
							t.Errorf("unbound %v too early", time.Until(due))
						}
						if left := len(b.queue.Messages()) + len(b.dead.Messages()) + len(b.scheduler.Due()); left > 0 {
							t.Errorf("%d messages and schedules left", left)
						}
					})
				})
			}
		}
	}
}
