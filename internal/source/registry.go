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

// Config configures a [Registry].
type Config struct {
	Secrets Secrets
	// SecretID names the sources' secret. Empty means that there is none: HTTP requests are refused, and payloads of
	// topics and event sources are read as events.
	SecretID string
	// Decoder reads payloads that are events already. Its zone is the default for entries without a utc_offset.
	Decoder departure.Decoder
	// Merchants returns the merchants of the token secret, and whether that is an index of many. If it is an index,
	// every HTTP source must name its merchants. Nil means one merchant whose appid is not known.
	Merchants func(context.Context) (appids []string, index bool, err error)
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
}

// Registry has the sources of the sources' secret, which it reads when it is first used. It is safe for concurrent
// use.
type Registry struct {
	cfg Config

	mu      sync.Mutex
	version string           // of the secret that was parsed last
	entries map[string]entry // what was parsed of it
	err     error            // a FaultsError where it could not be parsed
	people  map[string]table // by the id of the secret with the table
}

// New returns a Registry. It reads nothing yet.
func New(cfg Config) *Registry {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Registry{cfg: cfg}
}

// Receive verifies a request to the source of that name and reads its events. Body is the raw body as it was sent;
// r.Body is not read. Envelope has what is known before the body is read: the request's id, the source's name, the
// time.
//
// Its errors are ErrUnknownSource, ErrMethod, ErrTooLarge, ErrNotVerified and ErrMalformed. Any other error is not the
// sender's fault. For a verified request that cannot be read it returns an event with a Status, and no error. Before
// it reports an unknown source, a failed verification or a faulty entry, it reads the secret again: somebody may have
// corrected it.
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

// Read reads a payload from a topic or an event source of that name. Such a payload is not verified: AWS has checked
// the sender's rights. Read errs where the sources cannot be read or the entry is faulty, and reads the secret again
// before, like Receive. For a payload that cannot be read it returns an event with a Status.
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

// Check returns nil where the sources have no fault. It returns a [FaultsError] with all their faults, or another
// error where a secret cannot be read. Before it reports faults, it reads the secret again, like Receive.
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

// checkMerchants errs where a source could unbind at every merchant although its entry does not allow that. Where
// there is only one merchant, it returns its appid: the secret may be an index by the time the departure is carried
// out.
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
		return nil, fmt.Errorf("source: read the merchants: %w", err)
	}
	const missing = `.merchants: missing: the token secret has many merchants, name those of this source, or ["*"]`
	return nil, faults("sources." + shownSource(name) + missing)
}

// try runs use on the sources. After an error that a change of the secret could remove, it reads the secret again. If
// there is another version, it runs use once more.
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
