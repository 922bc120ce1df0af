package source

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/secrets"
)

// clock is a time that the test moves.
type clock struct{ time time.Time }

func (c *clock) now() time.Time { return c.time }

func bearerEntry(key string) string { return `{"hr":{"scheme":"bearer","keys":["` + key + `"]}}` }

func bearerRequest(key string) Request { return post([]byte(`{"uid":"E1"}`), "Authorization", key) }

func TestWhatFailsIsTriedWithTheSecretAsItIsNow(t *testing.T) {
	for _, tt := range []struct {
		name, before string
		want         error
	}{
		{"a key that was replaced", bearerEntry("old"), ErrNotVerified},
		{"a source that was added", `{}`, ErrUnknownSource},
		{"an entry that was mended", bearerEntry(""), nil},
		{"a secret that was mended", `{`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := clock{now}
			v := &vault{value: tt.before}
			b := bookOf(v)
			b.cfg.Now = c.now
			_, err := receive(b, bearerRequest("new"))
			var faulty *FaultsError
			if v.renews != 1 || tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && !errors.As(err, &faulty) {
				t.Fatalf("before: %v after %d reads", err, v.renews)
			}
			v.renewed = bearerEntry("new")
			c.time = c.time.Add(renewEvery - time.Second)
			if _, err := receive(b, bearerRequest("new")); err == nil || v.renews != 1 {
				t.Errorf("within the minute: %v after %d reads", err, v.renews)
			}
			c.time = c.time.Add(time.Second)
			d, err := receive(b, bearerRequest("new"))
			if err != nil || tell(d.Events) != "left E1" || v.renews != 2 {
				t.Errorf("after the minute: %v, %v after %d reads", tell(d.Events), err, v.renews)
			}
			if _, err := receive(b, bearerRequest("new")); err != nil || v.renews != 2 {
				t.Errorf("what succeeds reads again: %v after %d reads", err, v.renews)
			}
		})
	}
}

func TestWhatIsMalformedReadsNothingAgain(t *testing.T) {
	v := &vault{value: bearerEntry("k")}
	r := bearerRequest("k")
	r.Body = []byte("{")
	if _, err := receive(bookOf(v), r); !errors.Is(err, ErrMalformed) || v.renews != 0 {
		t.Errorf("got %v after %d reads", err, v.renews)
	}
}

var errVault = errors.New("secrets: throttled")

// lost is a Secrets that cannot be read at all.
type lost struct{ *vault }

func (lost) Get(context.Context, string) (secrets.Secret, error) {
	return secrets.Secret{}, errVault
}

func TestSourcesThatCannotBeRead(t *testing.T) {
	b := bookOf(nil)
	b.cfg.Secrets = lost{}
	if _, err := receive(b, bearerRequest("k")); !errors.Is(err, errVault) {
		t.Errorf("Receive: %v", err)
	}
	if _, err := b.Read(context.Background(), "topic", []byte(`{"uid":"E1"}`), envelope); !errors.Is(err, errVault) {
		t.Errorf("Read: %v", err)
	}
	if err := b.Check(context.Background()); !errors.Is(err, errVault) {
		t.Errorf("Check: %v", err)
	}
	v := &vault{value: bearerEntry("old"), err: errVault}
	if _, err := receive(bookOf(v), bearerRequest("new")); !errors.Is(err, errVault) || errors.Is(err, ErrNotVerified) {
		t.Errorf("a key that may have been replaced: %v", err)
	}
}

func TestNoSources(t *testing.T) {
	b := New(Config{})
	if _, err := receive(b, bearerRequest("k")); !errors.Is(err, ErrUnknownSource) {
		t.Errorf("Receive: %v", err)
	}
	if err := b.Check(context.Background()); err != nil {
		t.Errorf("Check: %v", err)
	}
	events, err := b.Read(context.Background(), "topic", []byte(`{"uid":"E1"}`), envelope)
	if tell(events) != "left E1" || err != nil {
		t.Errorf("Read: %s, %v", tell(events), err)
	}
}

func TestAnEntryWithoutASchemeHasNoDoor(t *testing.T) {
	b := newBook(`{"left_when":{},"uid":"id"}`)
	if _, err := receive(b, post([]byte(`{"id":"E1"}`))); !errors.Is(err, ErrUnknownSource) {
		t.Errorf("got %v", err)
	}
}

func TestRead(t *testing.T) {
	b := bookOf(&vault{value: `{"topic":{"left_when":{"a":[1]},"uid":"id"},"faulty":{"uid":""}}`})
	read := func(name, payload string) (string, error) {
		events, err := b.Read(context.Background(), name, []byte(payload), departure.Meta{Source: name, Type: "Employee Left"})
		return tell(events), err
	}
	if got, err := read("topic", `{"a":1,"id":"E1"}`); got != "left E1" || err != nil {
		t.Errorf("mapped: %s, %v", got, err)
	}
	if got, err := read("another", `{"type":"employee.left","data":{"uid":"E1"}}`); got != "left E1" || err != nil {
		t.Errorf("no entry: %s, %v", got, err)
	}
	if got, err := read("another", `{"uid":"E1"}`); got != `ignored: type "Employee Left" is not employee.left` || err != nil {
		t.Errorf("the envelope's type: %s, %v", got, err)
	}
	if got, err := read("another", `nothing at all: {`); !strings.HasPrefix(got, "failed: ") || err != nil {
		t.Errorf("no JSON: %s, %v", got, err)
	}
	var faulty *FaultsError
	if got, err := read("faulty", `{"uid":"E1"}`); got != "" || !errors.As(err, &faulty) {
		t.Errorf("a faulty entry: %s, %v", got, err)
	}
}

func TestAnIndexNeedsMerchants(t *testing.T) {
	indexed := func(entry string, index bool, err error) (Delivery, error) {
		b := newBook(entry)
		b.cfg.Indexed = func(context.Context) (bool, error) { return index, err }
		return receive(b, bearerRequest("k"))
	}
	const (
		open = `{"scheme":"bearer","keys":["k"]}`
		some = `{"scheme":"bearer","keys":["k"],"merchants":["wx1"]}`
		all  = `{"scheme":"bearer","keys":["k"],"merchants":["*"]}`
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
		t.Errorf("not known: %v", err)
	}
}

func TestCheckFindsEveryFault(t *testing.T) {
	v := &vault{value: `{"b":{"scheme":"bearer"},"a":{"scheme":"bearer","keys":["k"]},"c":{"uid":"u","each":""}}`}
	b := bookOf(v)
	b.cfg.Indexed = func(context.Context) (bool, error) { return true, nil }
	err := b.Check(context.Background())
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
	v.value, v.renewed = `{"a":{"scheme":"bearer"}}`, `{}`
	b = bookOf(v)
	if err := b.Check(context.Background()); err != nil {
		t.Errorf("mended: %v", err)
	}
}

func BenchmarkReceive(b *testing.B) {
	for _, d := range deliveries() {
		b.Run(d.name, func(b *testing.B) {
			book, r := newBook(d.entry), d.make(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := receive(book, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
