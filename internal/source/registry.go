package source

import (
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

// Secrets is the cache through which the sources' secret is read. It limits how often Renew reads.
type Secrets interface {
	Get(ctx context.Context, id string) (secrets.Secret, error)
	Renew(ctx context.Context, seen secrets.Secret) (secrets.Secret, error)
}

// Config is what a Registry works with.
type Config struct {
	Secrets Secrets
	// SecretID names the sources' secret. Empty means that there is none: every HTTP request is refused, and the payloads
	// of topics and event sources are read as events.
	SecretID string
	// Decoder reads payloads that are events already. Its zone is the default for entries without a utc_offset.
	Decoder departure.Decoder
	// Merchants returns the merchants of the token secret, and whether it is an index of them. If it is, every HTTP source
	// must name its merchants. Nil means one merchant whose appid is not known.
	Merchants func(context.Context) (appids []string, index bool, err error)
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// Registry is the sources in their secret, which is read when it is first needed. Many goroutines may use it at once.
type Registry struct {
	cfg Config

	mu     sync.Mutex
	parsed *snapshot // the last version of the secret, nil before the first read
}

// snapshot is one version of the secret, parsed.
type snapshot struct {
	version string
	entries map[string]entry
	err     error // a FaultsError if the secret as a whole cannot be parsed
}

// New returns a Registry. It reads nothing yet.
func New(cfg Config) *Registry {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Merchants == nil {
		cfg.Merchants = func(context.Context) ([]string, bool, error) { return []string{""}, false, nil }
	}
	return &Registry{cfg: cfg}
}

// Receive verifies a request to the source of that name and reads its events. Body is the raw body, base64 of the front end
// undone; r.Body is not read. Of a header that was sent twice, one value may hold both, joined by a comma. Envelope is what
// is known before reading: the request's id, the source's name, the time.
//
// It errs with ErrUnknownSource, ErrMethod, ErrTooLarge, ErrNotVerified or ErrMalformed. Any other error is ours. A verified
// request that cannot be understood is no error but an event with a Status. Before an unknown source, a failed verification
// or a faulty entry is reported, the secret is renewed: somebody may have changed it.
func (reg *Registry) Receive(
	ctx context.Context, name string, r *http.Request, body []byte, envelope departure.Meta,
) (delivery Delivery, err error) {
	if reg.cfg.SecretID == "" {
		return Delivery{}, fmt.Errorf("%w: there is no secret with sources", ErrUnknownSource)
	}
	if len(body) > MaxBody {
		return Delivery{}, ErrTooLarge
	}
	err = reg.try(ctx, func(s *snapshot) (err error) {
		delivery, err = reg.receive(ctx, s, name, r, body, envelope)
		return err
	})
	return delivery, err
}

func (reg *Registry) receive(
	ctx context.Context, s *snapshot, name string, r *http.Request, body []byte, envelope departure.Meta,
) (Delivery, error) {
	e, known, err := s.entry(name)
	switch {
	case err != nil:
		return Delivery{}, err
	case !known:
		return Delivery{}, ErrUnknownSource
	case e.scheme == nil:
		return Delivery{}, fmt.Errorf("%w: sources.%s has no scheme, so no request can be verified", ErrUnknownSource, name)
	case r.Method != http.MethodPost && (r.Method != http.MethodGet || !e.get):
		return Delivery{}, ErrMethod
	}
	m, err := e.scheme.open(r, body, reg.cfg.Now())
	if err != nil {
		return Delivery{}, err
	}
	if e.only, err = reg.checkMerchants(ctx, name, e); err != nil {
		return Delivery{}, err
	}
	delivery := Delivery{reply: m.reply}
	if m.body != nil {
		if m.id != "" {
			envelope.ID = m.id
		}
		delivery.Events = e.events(m.body, envelope)
	}
	return delivery, nil
}

// Read reads a payload that needs no verification, since AWS checked who sent it: a topic's, by the topic's name, or an
// event source's. It errs where the sources cannot be read or the entry is faulty. A payload that cannot be understood is
// an event with a Status.
func (reg *Registry) Read(
	ctx context.Context, name string, payload []byte, envelope departure.Meta,
) ([]departure.Event, error) {
	e := entry{decoder: reg.cfg.Decoder}
	if reg.cfg.SecretID != "" {
		_, s, err := reg.get(ctx)
		if err != nil {
			return nil, err
		}
		if found, known, err := s.entry(name); err != nil {
			return nil, err
		} else if known {
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

// Check returns all that is wrong with the sources, as a [FaultsError] where the secret could be read, or nil. Before it
// reports faults, it renews the secret as Receive does.
func (reg *Registry) Check(ctx context.Context) error {
	if reg.cfg.SecretID == "" {
		return nil
	}
	return reg.try(ctx, func(s *snapshot) error { return reg.check(ctx, s) })
}

func (reg *Registry) check(ctx context.Context, s *snapshot) error {
	if s.err != nil {
		return s.err
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(s.entries)) {
		e := s.entries[name]
		err := e.fault
		if err == nil && e.scheme != nil {
			_, err = reg.checkMerchants(ctx, name, e)
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

// checkMerchants errs where a sender could reach every merchant although its entry does not say so. It returns the one
// merchant where there is only one, by its appid: the secret may be an index when the departure is carried out.
func (reg *Registry) checkMerchants(ctx context.Context, name string, e entry) (only []string, err error) {
	if len(e.merchants) > 0 {
		return nil, nil
	}
	all, index, err := reg.cfg.Merchants(ctx)
	switch {
	case err != nil && e.namesMerchants:
		return nil, nil // it may reach all of them
	case err != nil:
		return nil, fmt.Errorf("source: which merchants there are: %w", err)
	case index && !e.namesMerchants:
		return nil, faults("sources." + name +
			`.merchants: missing: the token secret has many merchants, name those of this source, or ["*"]`)
	case index || all[0] == "":
		return nil, nil
	}
	return all, nil
}

// try runs use on the sources. If it fails in a way that another version of the secret could change, the secret is renewed,
// and use runs once more if there is another version.
func (reg *Registry) try(ctx context.Context, use func(*snapshot) error) error {
	seen, s, err := reg.get(ctx)
	if err != nil {
		return err
	}
	err = use(s)
	var faulty *FaultsError
	if !errors.Is(err, ErrUnknownSource) && !errors.Is(err, ErrNotVerified) && !errors.As(err, &faulty) {
		return err
	}
	fresh, renewErr := reg.cfg.Secrets.Renew(ctx, seen)
	switch {
	case renewErr != nil:
		return fmt.Errorf("source: read the sources again: %w", renewErr)
	case fresh.Version == seen.Version:
		return err
	}
	return use(reg.parse(fresh))
}

// get returns the secret as the cache has it.
func (reg *Registry) get(ctx context.Context) (secrets.Secret, *snapshot, error) {
	secret, err := reg.cfg.Secrets.Get(ctx, reg.cfg.SecretID)
	if err != nil {
		return secrets.Secret{}, nil, fmt.Errorf("source: read the sources: %w", err)
	}
	return secret, reg.parse(secret), nil
}

// parse parses each version of the secret once.
func (reg *Registry) parse(secret secrets.Secret) *snapshot {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if reg.parsed == nil || reg.parsed.version != secret.Version {
		entries, err := parse(secret.Value, reg.cfg.Decoder)
		reg.parsed = &snapshot{secret.Version, entries, err}
	}
	return reg.parsed
}

// entry returns the entry of that name, and whether there is one. It errs with a [FaultsError].
func (s *snapshot) entry(name string) (e entry, known bool, err error) {
	if s.err != nil {
		return entry{}, false, s.err
	}
	e, known = s.entries[name]
	return e, known, e.fault
}
