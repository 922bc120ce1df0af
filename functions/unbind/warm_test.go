package main

import (
	"testing"
	"time"

	"wedata-unbind/internal/wedata/wedatatest"
)

func TestINITReadsTheSecretsAndSendsNothingToWeChat(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	w.putSources(t)
	function := w.start(t)
	sources := w.env["UNBIND_SOURCES_SECRET_ID"]
	read := func() bool { return w.aws.Secrets.Reads(secretID) == 1 && w.aws.Secrets.Reads(sources) == 1 }
	until(read)
	if !read() || len(w.wechat.Calls()) != 0 {
		t.Errorf("without an event: %d and %d reads of the secrets, %d calls", w.aws.Secrets.Reads(secretID),
			w.aws.Secrets.Reads(sources), len(w.wechat.Calls()))
	}
	if log := function.Log(); log != "" {
		t.Errorf("the log has %s", log)
	}
}

// A fault at the start is forgotten: what was mended before the first event does not matter to it.
func TestAFaultBeforeTheFirstEventIsForgotten(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	w.aws.Secrets.Delete(secretID)
	function := w.start(t)
	until(func() bool { return w.aws.Secrets.Reads(secretID) == 1 })
	if log := function.Log(); log != "" {
		t.Errorf("the log has %s", log)
	}
	w.aws.Secrets.Put(secretID, w.wechat.Rotate(shop))
	if reply := invoke(t, function, bareSNS(t)); reply.Err() != nil || w.calls() != unbindOK+listOK {
		t.Errorf("%v\n%s", reply.Err(), w.calls())
	}
}

// until waits for what another process does.
func until(done func() bool) {
	for deadline := time.Now().Add(5 * time.Second); !done() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}
