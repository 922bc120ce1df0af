// Package secrets reads secrets from AWS Secrets Manager behind one small cache, so that a warm function reads none, a short
// fault of Secrets Manager is not noticed, and nobody can drive the number of reads.
package secrets

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// API is the one call of [secretsmanager.Client] that is needed.
type API interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Config is how long a Cache keeps what it read. The zero value is what the function runs with.
type Config struct {
	// TTL is how long a secret is served without a new read; each read's own is up to 10 % shorter or longer, so that
	// functions started together do not read together. 0 means 5 minutes.
	TTL time.Duration
	// Stale is how long after the last good read a secret is still served while reads fail for a reason that may pass.
	// 0 means 1 hour.
	Stale time.Duration
	// Hold is how long a failed read is remembered, and how long a forced read that brought nothing new is not repeated.
	// 0 means 30 seconds.
	Hold time.Duration
	// Timeout bounds one read with all the attempts that the SDK makes of it. 0 means 5 seconds.
	Timeout time.Duration
	// MaxEntries is how many secrets are kept; the one longest unused makes way. 0 means 1,000.
	MaxEntries int
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// Rand returns a number in [0, 1), for the jitter. Nil means rand.Float64.
	Rand func() float64
}

// Cache reads secrets and keeps them for a while. It may be used by many goroutines at once.
type Cache struct {
	api API
	cfg Config

	mu      sync.Mutex
	entries map[string]*entry
	uses    uint64 // counts up with every use of an entry
}

// entry is all that is known of one secret. Its fields are guarded by Cache.mu.
type entry struct {
	secret  Secret    // of the last good read
	good    time.Time // when that was; zero if there is no secret that may still be served
	err     *Error    // of the last read; nil if it was good
	until   time.Time // until then no Get reads
	held    time.Time // until then no Renew reads
	flight  *flight   // the read under way, or nil
	lastUse uint64
}

type flight struct {
	forced bool
	done   chan struct{} // closed once the entry holds the result
}

// New returns an empty Cache.
func New(api API, cfg Config) *Cache {
	setDefault(&cfg.TTL, 5*time.Minute)
	setDefault(&cfg.Stale, time.Hour)
	setDefault(&cfg.Hold, 30*time.Second)
	setDefault(&cfg.Timeout, 5*time.Second)
	setDefault(&cfg.MaxEntries, 1000)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	return &Cache{api: api, cfg: cfg, entries: map[string]*entry{}}
}

func setDefault[T time.Duration | int](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Get returns the secret named id, a name or an ARN, from the cache while it is fresh. Callers who want the same secret at
// the same time share one read, which goes on for the others when one of them leaves.
//
// The error is an [*Error]. While it may pass, a secret that was good within the last hour is returned instead.
func (c *Cache) Get(ctx context.Context, id string) (Secret, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.get(ctx, id, c.entry(id))
}

// Renew returns the secret that came after seen, which was of no use although it is still cached: it is read again, unless
// the cache holds another version already. Callers who ask at the same time share one read.
//
// A read that failed, or that brought the version seen again, is not repeated for a while: the same outcome is returned.
// So refusals cannot drive reads, and a new version is seen at once. The error is an [*Error].
func (c *Cache) Renew(ctx context.Context, seen Secret) (Secret, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(seen.ID)
	another := func() bool { return e.secret.Version != seen.Version }
	for forced := false; !forced && !another() && !c.now().Before(e.held); {
		// A read that was under way before the refusal may have been too early to see the new version: wait and look again.
		forced = e.flight == nil || e.flight.forced
		if err := c.read(ctx, seen.ID, e, true); err != nil {
			return Secret{}, err
		}
	}
	if another() {
		return c.get(ctx, seen.ID, e)
	}
	if e.err != nil {
		return Secret{}, e.err
	}
	return e.secret, nil
}

// get is Get with c.mu locked.
func (c *Cache) get(ctx context.Context, id string, e *entry) (Secret, error) {
	if !c.now().Before(e.until) {
		if err := c.read(ctx, id, e, false); err != nil {
			return Secret{}, err
		}
	}
	if e.err == nil || c.now().Sub(e.good) <= c.cfg.Stale {
		return e.secret, nil
	}
	return Secret{}, e.err
}

// read joins the read of the entry that is under way, or starts one, and returns once the entry holds the result. The error
// is that of a caller whose time is over. It is called with c.mu locked and returns likewise, but unlocks it to wait.
func (c *Cache) read(ctx context.Context, id string, e *entry, forced bool) error {
	if err := ctx.Err(); err != nil {
		return &Error{ID: id, Reason: Interrupted, Err: err}
	}
	if e.flight == nil {
		e.flight = &flight{forced: forced, done: make(chan struct{})}
		go c.fly(context.WithoutCancel(ctx), id, e)
	}
	done := e.flight.done
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return &Error{ID: id, Reason: Interrupted, Err: ctx.Err()}
	}
}

// fly makes one read and writes the result into the entry.
func (c *Cache) fly(ctx context.Context, id string, e *entry) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	secret, err := c.fetch(ctx, id)

	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if err == nil {
		jitter := 0.9 + 0.2*c.cfg.Rand()
		e.until = now.Add(time.Duration(jitter * float64(c.cfg.TTL)))
		if e.flight.forced && secret.Version == e.secret.Version {
			e.held = now.Add(c.cfg.Hold)
		}
		e.secret, e.good = secret, now
	} else {
		e.until = now.Add(c.cfg.Hold)
		e.held = e.until
		if !err.Temporary() {
			e.secret, e.good = Secret{}, time.Time{} // whoever took the secret away, or the right to it, meant it
		}
	}
	e.err = err
	close(e.flight.done)
	e.flight = nil
}

func (c *Cache) fetch(ctx context.Context, id string) (Secret, *Error) {
	out, err := c.api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(id)})
	switch {
	case err != nil:
		return Secret{}, &Error{ID: id, Reason: classify(err), Err: err}
	case out.SecretString == nil && out.SecretBinary != nil:
		return Secret{}, &Error{ID: id, Reason: Binary}
	case strings.TrimSpace(aws.ToString(out.SecretString)) == "":
		return Secret{}, &Error{ID: id, Reason: Empty}
	}
	return Secret{
		ID: id, Value: *out.SecretString, Version: aws.ToString(out.VersionId), Written: aws.ToTime(out.CreatedDate),
	}, nil
}

// entry returns the entry named id, and makes room for a new one where need be.
func (c *Cache) entry(id string) *entry {
	e := c.entries[id]
	if e == nil {
		for len(c.entries) >= c.cfg.MaxEntries && c.evict() {
		}
		e = &entry{}
		c.entries[id] = e
	}
	c.uses++
	e.lastUse = c.uses
	return e
}

// evict drops the entry longest unused. What is being read stays: dropping it would let a second read of the same secret
// begin. It returns false where there is nothing to drop.
func (c *Cache) evict() bool {
	oldest, found := "", false
	for id, e := range c.entries {
		if e.flight == nil && (!found || e.lastUse < c.entries[oldest].lastUse) {
			oldest, found = id, true
		}
	}
	if found {
		delete(c.entries, oldest)
	}
	return found
}

// now is the wall clock: the monotonic one may stand still while Lambda has the function frozen.
func (c *Cache) now() time.Time { return c.cfg.Now().Round(0) }
