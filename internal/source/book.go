package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/secrets"
)

// Secrets is the cache that the sources' secret is read through.
type Secrets interface {
	Get(ctx context.Context, id string) (secrets.Secret, error)
	Renew(ctx context.Context, seen secrets.Secret) (secrets.Secret, error)
}

// Config is what a Book works with.
type Config struct {
	Secrets Secrets
	// SecretID names the sources' secret. Empty means that there is none: nobody is let in by HTTP, and the payloads of
	// topics and event sources are events.
	SecretID string
	// Decoder reads payloads that are events already; its zone is that of entries without a utc_offset.
	Decoder departure.Decoder
	// Indexed reports whether the token secret is an index of merchants. Then an HTTP source has to say which of them are
	// its own. Nil means that it never is.
	Indexed func(context.Context) (bool, error)
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// Book is the sources, read from their secret when first asked for. It may be used by many goroutines at once.
type Book struct {
	cfg Config

	mu      sync.Mutex
	edition edition
	renewed time.Time // when the secret was last read past its cache
}

// edition is one version of the secret, read.
type edition struct {
	secret  secrets.Secret
	entries map[string]entry
	err     error
}

// renewEvery is how often strangers can make us read the secret again.
const renewEvery = time.Minute

// New returns a Book that has not been opened.
func New(cfg Config) *Book {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Indexed == nil {
		cfg.Indexed = func(context.Context) (bool, error) { return false, nil }
	}
	return &Book{cfg: cfg}
}

// Receive verifies a request to the source of that name and reads it. The envelope is what is known of it without reading:
// the request's id, the source's name, the time.
//
// It errs with ErrUnknownSource, ErrMethod, ErrTooLarge, ErrNotVerified or ErrMalformed; every other error is a fault of
// ours. What proves to come from the source and asks for something that cannot be understood is no error but an event with
// a verdict. Before an unknown source, a failed check or a faulty entry is answered, the secret is read again, once a
// minute at most: it may have been mended.
func (b *Book) Receive(ctx context.Context, name string, r Request, envelope departure.Meta) (Delivery, error) {
	if b.cfg.SecretID == "" {
		return Delivery{}, fmt.Errorf("%w: there is no secret with sources", ErrUnknownSource)
	}
	if len(r.Body) > MaxBody {
		return Delivery{}, ErrTooLarge
	}
	seen, err := b.open(ctx)
	if err != nil {
		return Delivery{}, err
	}
	d, err := b.receive(ctx, seen, name, r, envelope)
	var faulty *FaultsError
	if !errors.Is(err, ErrUnknownSource) && !errors.Is(err, ErrNotVerified) && !errors.As(err, &faulty) {
		return d, err
	}
	fresh, renewErr := b.renew(ctx, seen)
	if renewErr != nil {
		return Delivery{}, renewErr
	}
	if fresh.secret.Version == seen.secret.Version {
		return d, err
	}
	return b.receive(ctx, fresh, name, r, envelope)
}

func (b *Book) receive(ctx context.Context, ed edition, name string, r Request, envelope departure.Meta) (Delivery, error) {
	e, known, err := ed.entry(name)
	switch {
	case err != nil:
		return Delivery{}, err
	case !known:
		return Delivery{}, fmt.Errorf("%w: %s", ErrUnknownSource, departure.Quote(name))
	case e.scheme == nil:
		return Delivery{}, fmt.Errorf("%w: sources.%s has no scheme, so that nobody can prove to be it", ErrUnknownSource, name)
	case r.Method != http.MethodPost && (r.Method != http.MethodGet || !e.get):
		return Delivery{}, fmt.Errorf("%w: %s", ErrMethod, departure.Quote(r.Method))
	}
	m, err := e.scheme.open(r, b.cfg.Now())
	if err != nil {
		return Delivery{}, err
	}
	if err := b.confined(ctx, name, e); err != nil {
		return Delivery{}, err
	}
	d := Delivery{reply: m.reply}
	if m.body != nil {
		if m.id != "" {
			envelope.ID = m.id
		}
		d.Events = e.events(m.body, envelope)
	}
	return d, nil
}

// Read reads a payload that needs no proof, since AWS vouches for its way here: of a topic, by its name, or of an event
// source. An error means that the sources cannot be read, or the entry is faulty; a payload that cannot be understood is an
// event with a verdict.
func (b *Book) Read(ctx context.Context, name string, payload []byte, envelope departure.Meta) ([]departure.Event, error) {
	e := entry{decoder: b.cfg.Decoder}
	if b.cfg.SecretID != "" {
		ed, err := b.open(ctx)
		if err != nil {
			return nil, err
		}
		found, known, err := ed.entry(name)
		if err != nil {
			return nil, err
		}
		if known {
			e = found
		}
	}
	if e.mapping == nil {
		return e.events(payload, envelope), nil
	}
	body, err := object(payload)
	if err != nil {
		return []departure.Event{departure.Refuse(envelope, err)}, nil
	}
	return e.events(body, envelope), nil
}

// Check returns all that is wrong with the sources, as a [FaultsError] where the secret could be read, or nil. Faults are
// looked at twice, as by Receive: they may have been mended since the secret was last read.
func (b *Book) Check(ctx context.Context) error {
	if b.cfg.SecretID == "" {
		return nil
	}
	seen, err := b.open(ctx)
	if err != nil {
		return err
	}
	err = b.check(ctx, seen)
	if err == nil {
		return nil
	}
	fresh, renewErr := b.renew(ctx, seen)
	if renewErr != nil || fresh.secret.Version == seen.secret.Version {
		return cmp.Or(renewErr, err)
	}
	return b.check(ctx, fresh)
}

func (b *Book) check(ctx context.Context, ed edition) error {
	if ed.err != nil {
		return ed.err
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(ed.entries)) {
		e := ed.entries[name]
		err := e.fault
		if err == nil && e.scheme != nil {
			err = b.confined(ctx, name, e)
		}
		var faulty *FaultsError
		if errors.As(err, &faulty) {
			found = append(found, faulty.Faults...)
		} else if err != nil {
			return err
		}
	}
	return faults(found...)
}

// confined errs where the entry would let a sender reach every merchant without saying so.
func (b *Book) confined(ctx context.Context, name string, e entry) error {
	if e.confined {
		return nil
	}
	indexed, err := b.cfg.Indexed(ctx)
	if err != nil {
		return fmt.Errorf("source: which merchants there are: %w", err)
	}
	if indexed {
		return faults("sources." + name + `.merchants: missing: the token secret has many merchants, name those of this source, or ["*"]`)
	}
	return nil
}

// entry returns the entry of that name, and whether there is one. It errs with a [FaultsError].
func (ed edition) entry(name string) (e entry, known bool, err error) {
	if ed.err != nil {
		return entry{}, false, ed.err
	}
	e, known = ed.entries[name]
	return e, known, e.fault
}

// open returns the sources as the cache has them.
func (b *Book) open(ctx context.Context) (edition, error) {
	secret, err := b.cfg.Secrets.Get(ctx, b.cfg.SecretID)
	if err != nil {
		return edition{}, fmt.Errorf("source: read the sources: %w", err)
	}
	return b.read(secret), nil
}

// renew returns the sources as they are now, or as seen where that was less than a minute ago.
func (b *Book) renew(ctx context.Context, seen edition) (edition, error) {
	now := b.cfg.Now()
	b.mu.Lock()
	early := !b.renewed.IsZero() && now.Sub(b.renewed) < renewEvery
	if !early {
		b.renewed = now
	}
	b.mu.Unlock()
	if early {
		return seen, nil
	}
	secret, err := b.cfg.Secrets.Renew(ctx, seen.secret)
	if err != nil {
		return edition{}, fmt.Errorf("source: read the sources again: %w", err)
	}
	return b.read(secret), nil
}

// read parses a version of the secret once.
func (b *Book) read(secret secrets.Secret) edition {
	b.mu.Lock()
	defer b.mu.Unlock()
	unread := b.edition.entries == nil && b.edition.err == nil
	if unread || b.edition.secret.Version != secret.Version {
		b.edition = edition{secret: secret}
		b.edition.entries, b.edition.err = parse(secret.Value, b.cfg.Decoder)
	}
	return b.edition
}
