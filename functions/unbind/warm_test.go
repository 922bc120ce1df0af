package main

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"wedata-unbind/internal/wedata/wedatatest"
)

func TestINITConnectsToWeChatAndSendsNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w := newFixture(t, wedatatest.Options{})
	w.env["WEDATA_BASE_URL"] = "http://" + listener.Addr().String()
	w.start(t)
	_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(5 * time.Second))
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes came, %v", n, err)
	}
}

func TestINITReadsTheSecrets(t *testing.T) {
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
