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
	// SecretID names the sources' secret. Empty means that there is none: HTTP requests are refused, and payloads of
	// topics and event sources are read as events.
	SecretID string
	// Decoder reads payloads that are events already. Its zone is the default for entries without a utc_offset.
	Decoder departure.Decoder
	// Merchants returns the merchants of the token secret, and whether it is an index of them. If it is, every HTTP
	// source must name its merchants. Nil means one merchant whose appid is not known.
	Merchants func(context.Context) (appids []string, index bool, err error)
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// Registry is the sources in their secret, which is read when it is first needed. Many goroutines may use it at once.
type Registry struct {
	cfg Config

	mu      sync.Mutex
	version string           // of the secret that was parsed last
	entries map[string]entry // what was parsed of it
	err     error            // or a FaultsError
	people  map[string]table // by the id of the secret that holds it
}

// New returns a Registry. It reads nothing yet.
func New(cfg Config) *Registry {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Registry{cfg: cfg}
}

// Receive verifies a request to the source of that name and reads its events. Body is the raw body as it was sent;
// r.Body is not read. Envelope is what is known before reading: the request's id, the source's name, the time.
//
// It errs with ErrUnknownSource, ErrMethod, ErrTooLarge, ErrNotVerified or ErrMalformed. Any other error is ours. A
// verified request that cannot be read is no error but an event with a Status. Before an unknown source, a failed
// verification or a faulty entry is reported, the secret is renewed: somebody may have changed it.
func (reg *Registry) Receive(
	ctx context.Context, name string, r *http.Request, body []byte, envelope departure.Meta,
) (delivery Delivery, err error) {
	if len(body) > MaxBody {
		return Delivery{}, ErrTooLarge
	}
	err = reg.try(ctx, func(entries map[string]entry) error {
		e := entries[name]
		switch {
		case e.fault != nil:
			return e.fault
		case e.scheme == nil:
			return fmt.Errorf("%w: no entry %s with a scheme", ErrUnknownSource, shownSource(name))
		case r.Method != http.MethodPost && (r.Method != http.MethodGet || !e.get):
			return ErrMethod
		}
		m, err := e.scheme.open(r, body, reg.cfg.Now())
		var only []string
		if err == nil {
			only, err = reg.checkMerchants(ctx, name, e)
		}
		if err != nil {
			return err
		}
		if m.id != "" && len(m.id) <= longestID {
			envelope.ID = m.id
		}
		delivery.reply = m.reply
		if m.body == nil && m.err == nil {
			return nil
		}
		if e.reply != nil {
			delivery.reply = func() Reply { return jsonReply(e.reply) }
		}
		delivery.Events, err = e.read(m, reading{envelope: envelope, find: reg.finder(ctx, e), only: only})
		return err
	})
	return delivery, err
}

// Read reads a payload that needs no verification, since AWS checked who sent it: a topic's, by the topic's name, or
// an event source's. It errs where the sources cannot be read or the entry is faulty, after renewing the secret as
// Receive does. A payload that cannot be understood is an event with a Status.
func (reg *Registry) Read(
	ctx context.Context, name string, payload []byte, envelope departure.Meta,
) (events []departure.Event, err error) {
	err = reg.try(ctx, func(entries map[string]entry) error {
		e, known := entries[name]
		if !known {
			e.decoder = reg.cfg.Decoder
		}
		if e.fault != nil {
			return e.fault
		}
		m := message{body: payload}
		if e.mapping != nil || e.scheme != nil { // as Receive reads it
			m = decoded(nil, payload)
		}
		var err error
		events, err = e.read(m, reading{envelope: envelope, find: reg.finder(ctx, e)})
		return err
	})
	return events, err
}

// Check returns all that is wrong with the sources, as a [FaultsError] where the secret could be read, or nil. Before
// it reports faults, it renews the secret as Receive does.
func (reg *Registry) Check(ctx context.Context) error {
	return reg.try(ctx, func(entries map[string]entry) error {
		if entries != nil && len(entries) == 0 {
			return faults("sources: there is no source in it")
		}
		var found []string
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			e := entries[name]
			err := e.fault
			if err == nil && e.scheme != nil {
				_, err = reg.checkMerchants(ctx, name, e)
			}
			if err == nil && e.mapping != nil && e.mapping.people.secretIDs != nil {
				_, err = reg.tables(ctx, e.mapping.people, false)
			}
			var faulty *FaultsError
			if errors.As(err, &faulty) {
				found = append(found, faulty.Faults...)
			} else if err != nil {
				return err
			}
		}
		return faults(found...)
	})
}

// checkMerchants errs where a sender could reach every merchant although its entry does not say so. Where there is
// only one merchant, it returns its appid: the secret may be an index when the departure is carried out.
func (reg *Registry) checkMerchants(ctx context.Context, name string, e entry) (only []string, err error) {
	if len(e.merchants.list) > 0 || e.merchants.path != "" || reg.cfg.Merchants == nil {
		return nil, nil
	}
	all, index, err := reg.cfg.Merchants(ctx)
	switch {
	case err == nil && !index && all[0] != "":
		return all, nil
	case e.merchants.given || err == nil && !index:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("source: which merchants there are: %w", err)
	}
	const missing = `.merchants: missing: the token secret has many merchants, name those of this source, or ["*"]`
	return nil, faults("sources." + shownSource(name) + missing)
}

// try runs use on the sources. If that fails in a way that another version of the secret could change, it renews the
// secret and, if there is another version, runs use once more.
func (reg *Registry) try(ctx context.Context, use func(map[string]entry) error) error {
	if reg.cfg.SecretID == "" {
		return use(nil)
	}
	seen, err := reg.cfg.Secrets.Get(ctx, reg.cfg.SecretID)
	if err != nil {
		return fmt.Errorf("source: read the sources: %w", err)
	}
	err = reg.tryVersion(seen, use)
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
	return reg.tryVersion(fresh, use)
}

// tryVersion runs use on one version of the secret, which is parsed once.
func (reg *Registry) tryVersion(secret secrets.Secret, use func(map[string]entry) error) error {
	reg.mu.Lock()
	if reg.entries == nil && reg.err == nil || reg.version != secret.Version {
		reg.version = secret.Version
		reg.entries, reg.err = parse(secret.Value, reg.cfg.Decoder)
	}
	entries, err := reg.entries, reg.err
	reg.mu.Unlock()
	if err != nil {
		return err
	}
	return use(entries)
}
