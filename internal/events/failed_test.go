package events_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/wedata/wedatatest"
)

// A metric filter counts the lines, and ErrorsAlarm stands on it. A direct caller has the error itself.
func TestAnInvocationThatFailsNamesItsTrigger(t *testing.T) {
	for _, tc := range []struct{ name, event, trigger string }{
		{"SNS", snsEvent(t, `{"uid":"E1001"}`), "sns"},
		{"direct", `{"uid":"E1001"}`, ""},
		{"a typing error", `{"action":"chek"}`, ""},
		{"no trigger", `{"Records":[]}`, ""},
		{"an event that is done", snsEvent(t, `{"uid":"nobody"}`), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{noQueue: true})
			b.wechat.Grant(shop, false)
			if tc.name == "an event that is done" {
				b.wechat.Grant(shop, true)
			}
			_, _ = b.send(t, tc.event)
			b.wantFailed(t, tc.trigger)
		})
	}
	t.Run("a panic", func(t *testing.T) {
		broken := false
		b := newBench(t, options{now: func() time.Time {
			if broken {
				panic("as asked for")
			}
			return time.Now()
		}})
		broken = true
		func() {
			defer func() {
				if recover() == nil {
					t.Error("Lambda's library must see the panic, because it ends the process")
				}
			}()
			_, _ = b.Handler.Invoke(t.Context(), []byte(snsEvent(t, `{"uid":"E1001"}`)))
		}()
		b.wantFailed(t, "sns")
	})
}

// wantFailed checks the line of a failed invocation; with an empty trigger there must be none.
func (b *bench) wantFailed(t *testing.T, trigger string) {
	t.Helper()
	lines := b.logged(t, "invocation failed")
	if trigger == "" {
		if len(lines) > 0 {
			t.Errorf("got %v, want no line", lines)
		}
		return
	}
	if len(lines) != 1 || lines[0]["trigger"] != trigger || lines[0]["level"] != "ERROR" {
		t.Errorf("got %v, want one line with the trigger %s", lines, trigger)
	}
}

// DurationAlarm begins at 48 s of the template's 60 s. A check of a WeChat that hangs must not raise it.
func TestACheckEndsBeforeTheAlarmOnTheDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.secrets.Put("t", "token-of-all")
		b.secrets.Put(secretID, indexOfHundred())
		b.wechat.Fail(wedatatest.Fault{Times: -1, Latency: 10 * time.Minute})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := b.Handler.Invoke(ctx, []byte(`{"action":"check"}`))
		if took := time.Since(start); err == nil || took < 30*time.Second || took > 47*time.Second {
			t.Errorf("the check took %v and ended in %.200v", took, err)
		}
	})
}
