package source

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/source/sourcetest"
)

func bearerEntry(key string) string { return `{"hr":{"scheme":"bearer","keys":["` + key + `"]}}` }

func bearerRequest(key string) sourcetest.Request {
	return post([]byte(`{"uid":"E1"}`), "Authorization", key)
}

func TestAChangedSecretIsReadAgainOnceAMinute(t *testing.T) {
	for _, tt := range []struct {
		name, before string
		want         error
	}{
		{"a key that was replaced", bearerEntry("old key of hr"), ErrNotVerified},
		{"a source that was added", `{}`, ErrUnknownSource},
		{"an entry that was corrected", bearerEntry(""), nil},
		{"a secret that was corrected", `{`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &vault{versions: []string{tt.before}}
				reg := registryOf(v)
				_, err := receive(reg, bearerRequest("new key of hr"))
				var faulty *FaultsError
				if v.reads != 2 || tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && !errors.As(err, &faulty) {
					t.Fatalf("before: %v after %d reads", err, v.reads)
				}
				v.versions = []string{bearerEntry("new key of hr")}
				time.Sleep(time.Minute - time.Second)
				if _, err := receive(reg, bearerRequest("new key of hr")); err == nil || v.reads != 2 {
					t.Errorf("within the minute: %v after %d reads", err, v.reads)
				}
				time.Sleep(time.Second)
				d, err := receive(reg, bearerRequest("new key of hr"))
				if err != nil || tell(d.Events) != "left E1" || v.reads != 3 {
					t.Errorf("after the minute: %v, %v after %d reads", tell(d.Events), err, v.reads)
				}
				if _, err := receive(reg, bearerRequest("new key of hr")); err != nil || v.reads != 3 {
					t.Errorf("a good request reads again: %v after %d reads", err, v.reads)
				}
			})
		})
	}
}

func TestARequestThatCannotBeReadDoesNotReadTheSecretAgain(t *testing.T) {
	v := &vault{versions: []string{bearerEntry("test key")}}
	r := bearerRequest("test key")
	r.Body = []byte("{")
	if d, err := receive(registryOf(v), r); err != nil || !strings.HasPrefix(tell(d.Events), "failed: ") || v.reads != 1 {
		t.Errorf("got %s, %v after %d reads", tell(d.Events), err, v.reads)
	}
}

func TestSourcesThatCannotBeRead(t *testing.T) {
	reg := registryOf(&vault{versions: []string{""}})
	if _, err := receive(reg, bearerRequest("test key")); !errors.Is(err, errVault) {
		t.Errorf("Receive: %v", err)
	}
	if _, err := reg.Read(context.Background(), "topic", []byte(`{"uid":"E1"}`), envelope); !errors.Is(err, errVault) {
		t.Errorf("Read: %v", err)
	}
	if err := reg.Check(context.Background()); !errors.Is(err, errVault) {
		t.Errorf("Check: %v", err)
	}
	reg = registryOf(&vault{versions: []string{bearerEntry("old key of hr"), ""}})
	if _, err := receive(reg, bearerRequest("new key of hr")); !errors.Is(err, errVault) || errors.Is(err, ErrNotVerified) {
		t.Errorf("a key that may have been replaced: %v", err)
	}
}

func TestNoSources(t *testing.T) {
	reg := New(Config{})
	if _, err := receive(reg, bearerRequest("test key")); !errors.Is(err, ErrUnknownSource) {
		t.Errorf("Receive: %v", err)
	}
	if err := reg.Check(context.Background()); err != nil {
		t.Errorf("Check: %v", err)
	}
	events, err := reg.Read(context.Background(), "topic", []byte(`{"uid":"E1"}`), envelope)
	if tell(events) != "left E1" || err != nil {
		t.Errorf("Read: %s, %v", tell(events), err)
	}
}

func TestAnEntryWithoutASchemeTakesNoRequests(t *testing.T) {
	reg := newRegistry(`{"left_when":{},"uid":"id"}`)
	if _, err := receive(reg, post([]byte(`{"id":"E1"}`))); !errors.Is(err, ErrUnknownSource) {
		t.Errorf("got %v", err)
	}
}

func TestRead(t *testing.T) {
	reg := registryOf(&vault{versions: []string{`{"topic":{"left_when":{"a":[1]},"uid":"id"},"faulty":{"uid":""}}`}})
	read := func(name, payload string) (string, error) {
		events, err := reg.Read(context.Background(), name, []byte(payload), departure.Meta{Source: name, Type: "Employee Left"})
		return tell(events), err
	}
	if got, err := read("topic", `{"a":1,"id":"E1"}`); got != "left E1" || err != nil {
		t.Errorf("mapped: %s, %v", got, err)
	}
	if got, err := read("another", `{"type":"employee.left","data":{"uid":"E1"}}`); got != "left E1" || err != nil {
		t.Errorf("no entry: %s, %v", got, err)
	}
	if got, err := read("another", `{"uid":"E1"}`); got != `ignored: another type than employee.left` || err != nil {
		t.Errorf("the envelope's type: %s, %v", got, err)
	}
	if got, err := read("another", `nothing at all: {`); !strings.HasPrefix(got, "failed: ") || err != nil {
		t.Errorf("no JSON: %s, %v", got, err)
	}
	for _, name := range []string{"topic", "another"} { // an event without a detail
		events, err := reg.Read(context.Background(), name, nil, departure.Meta{Source: name})
		if got := tell(events); !strings.HasPrefix(got, "failed: ") || err != nil {
			t.Errorf("nothing at all to %s: %s, %v", name, got, err)
		}
	}
	var faulty *FaultsError
	if got, err := read("faulty", `{"uid":"E1"}`); got != "" || !errors.As(err, &faulty) {
		t.Errorf("a faulty entry: %s, %v", got, err)
	}
	reg = registryOf(&vault{versions: []string{`{"topic":{"uid":""}}`, `{"topic":{"left_when":{},"uid":"id"}}`}})
	if got, err := read("topic", `{"id":"E1"}`); got != "left E1" || err != nil {
		t.Errorf("a corrected entry: %s, %v", got, err)
	}
}

func TestAnIndexNeedsMerchants(t *testing.T) {
	indexed := func(entry string, index bool, err error) (Delivery, error) {
		reg := newRegistry(entry)
		reg.cfg.Merchants = func(context.Context) ([]string, bool, error) { return []string{""}, index, err }
		return receive(reg, bearerRequest("test key"))
	}
	const (
		open = `{"scheme":"bearer","keys":["test key"]}`
		some = `{"scheme":"bearer","keys":["test key"],"merchants":["wx1"]}`
		all  = `{"scheme":"bearer","keys":["test key"],"merchants":["*"]}`
	)
	if _, err := indexed(open, true, nil); err == nil || !strings.Contains(err.Error(), "sources.hr.merchants: missing") {
		t.Errorf("none named: %v", err)
	}
	if d, err := indexed(open, false, nil); tell(d.Events) != "left E1" || err != nil {
		t.Errorf("no index: %s, %v", tell(d.Events), err)
	}
	if d, err := indexed(some, true, nil); tell(d.Events) != "left E1 of wx1" || err != nil {
		t.Errorf("one named: %s, %v", tell(d.Events), err)
	}
	if d, err := indexed(all, true, nil); tell(d.Events) != "left E1" || err != nil {
		t.Errorf("all named: %s, %v", tell(d.Events), err)
	}
	if _, err := indexed(open, false, errVault); !errors.Is(err, errVault) {
		t.Errorf("an unreadable token secret: %v", err)
	}
}

func TestCheckFindsEveryFault(t *testing.T) {
	reg := registryOf(&vault{versions: []string{
		`{"b":{"scheme":"bearer"},"a":{"scheme":"bearer","keys":["test key"]},"c":{"uid":"u","each":""}}`,
	}})
	reg.cfg.Merchants = func(context.Context) ([]string, bool, error) { return nil, true, nil }
	err := reg.Check(context.Background())
	var faulty *FaultsError
	if !errors.As(err, &faulty) {
		t.Fatal(err)
	}
	want := []string{
		`sources.a.merchants: missing: the token secret has many merchants, name those of this source, or ["*"]`,
		"sources.b.keys: missing",
		"sources.c.each: empty",
		"sources.c.left_when: missing: write {} where every event of this source is a departure",
	}
	if !slices.Equal(faulty.Faults, want) {
		t.Errorf("got %s", strings.Join(faulty.Faults, "\n"))
	}
	reg = registryOf(&vault{versions: []string{`{"a":{"scheme":"bearer"}}`, `{"a":{}}`}})
	if err := reg.Check(context.Background()); err != nil {
		t.Errorf("corrected: %v", err)
	}
}

func BenchmarkReceive(b *testing.B) {
	for _, d := range deliveries() {
		b.Run(d.name, func(b *testing.B) {
			reg, r := newRegistry(d.entry), d.make(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := receive(reg, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
