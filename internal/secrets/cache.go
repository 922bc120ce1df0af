// Package secrets reads secrets from AWS Secrets Manager behind a small cache. A warm function reads none, a short fault of
// Secrets Manager has no effect, and nobody outside can cause many reads.
package secrets

import (
	"cmp"
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"golang.org/x/sync/singleflight"
)

// API is the one call of [secretsmanager.Client] that is needed.
type API interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Config configures a [Cache]. The zero value of each member is its default.
type Config struct {
	// TTL is how long a secret is served without a new read, up to 10 % more or less, so that functions started together do
	// not read together. Default 5 minutes.
	TTL time.Duration
	// Stale is how long after the last good read a secret is still served while reads fail for a reason that may pass.
	// Default 1 hour.
	Stale time.Duration
	// Hold is how long a failed read is remembered, and how long a forced read that brought nothing new is not repeated. It
	// is the one limit on forced reads. Default 30 seconds.
	Hold time.Duration
	// Timeout bounds one read with all the attempts of the SDK. Default 5 seconds.
	Timeout time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Rand returns a number in [0, 1) for the TTL. Default rand.Float64.
	Rand func() float64
}

// Cache reads secrets and keeps them for a while. It keeps every secret it was asked for: only the operator names secrets. It
// is safe for concurrent use.
type Cache struct {
	api   API
	cfg   Config
	reads singleflight.Group

	mu      sync.Mutex
	entries map[string]entry
	begun   int // reads so far
}

// entry is what is known of one secret.
type entry struct {
	secret Secret    // of the last good read
	good   time.Time // when that was; zero if no secret may be served
	err    *Error    // of the last read; nil if it was good
	until  time.Time // until then Get does not read
	held   time.Time // until then Renew does not read
	read   int       // the number of the last read, by its beginning
}

// New returns an empty Cache.
func New(api API, cfg Config) *Cache {
	cfg.TTL = cmp.Or(cfg.TTL, 5*time.Minute)
	cfg.Stale = cmp.Or(cfg.Stale, time.Hour)
	cfg.Hold = cmp.Or(cfg.Hold, 30*time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	return &Cache{api: api, cfg: cfg, entries: map[string]entry{}}
}

// Get returns the secret named id, a name or an ARN, from the cache while it is fresh. Callers who want the same secret at
// the same time share one read, which goes on when one of them leaves.
//
// The error is an [*Error]. While it may pass, a secret that was read within the last hour is returned instead.
func (c *Cache) Get(ctx context.Context, id string) (Secret, error) {
	e := c.entry(id)
	if !c.now().Before(e.until) || e.err != nil && withoutLimit(ctx) {
		var err error
		if e, err = c.read(ctx, id, false); err != nil {
			return Secret{}, err
		}
	}
	if e.err == nil || c.now().Sub(e.good) <= c.cfg.Stale {
		return e.secret, nil
	}
	return Secret{}, e.err
}

// Renew returns the secret after a version of it, seen, was of no use: it reads the secret again, unless the cache has another
// version. Callers who ask at the same time share one read.
//
// A read that failed, or that brought the version seen again, is not repeated for Config.Hold, unless the context comes from
// [WithoutLimit]; until then its result is returned. The error is an [*Error].
func (c *Cache) Renew(ctx context.Context, seen Secret) (Secret, error) {
	e := c.entry(seen.ID)
	if e.secret.Version == seen.Version && (!c.now().Before(e.held) || withoutLimit(ctx)) {
		var err error
		if e, err = c.read(ctx, seen.ID, true); err != nil {
			return Secret{}, err
		}
	}
	if e.secret.Version != seen.Version {
		return c.Get(ctx, seen.ID)
	}
	if e.err != nil {
		return Secret{}, e.err
	}
	return e.secret, nil
}

type limitKey struct{}

// WithoutLimit returns a context for a caller who may cause reads at any time: Config.Hold does not count.
func WithoutLimit(ctx context.Context) context.Context { return context.WithValue(ctx, limitKey{}, true) }

func withoutLimit(ctx context.Context) bool { return ctx.Value(limitKey{}) != nil }

func (c *Cache) entry(id string) entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[id]
}

// read reads the secret, or waits for the read that is under way, and returns the entry with the result. It errs only when
// ctx ends. A forced read does not wait for a read that began before: that one may have seen the old version.
func (c *Cache) read(ctx context.Context, id string, forced bool) (entry, error) {
	if ctx.Err() != nil {
		return entry{}, &Error{ID: id, Reason: Interrupted, Err: ctx.Err()}
	}
	key := id
	if forced {
		key = "forced " + id
	}
	done := c.reads.DoChan(key, func() (any, error) { return c.fetch(context.WithoutCancel(ctx), id, forced), nil })
	select {
	case result := <-done:
		return result.Val.(entry), nil
	case <-ctx.Done():
		return entry{}, &Error{ID: id, Reason: Interrupted, Err: ctx.Err()}
	}
}

// fetch reads the secret and writes the entry.
func (c *Cache) fetch(ctx context.Context, id string, forced bool) entry {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	c.mu.Lock()
	c.begun++
	number := c.begun
	c.mu.Unlock()
	secret, err := c.get(ctx, id)

	c.mu.Lock()
	defer c.mu.Unlock()
	e, now := c.entries[id], c.now()
	if number < e.read {
		return e // a read that began later has ended before this one
	}
	e.read = number
	if err == nil {
		jitter := 0.9 + 0.2*c.cfg.Rand()
		e.until = now.Add(time.Duration(jitter * float64(c.cfg.TTL)))
		if forced && secret.Version == e.secret.Version {
			e.held = now.Add(c.cfg.Hold)
		}
		e.secret, e.good = secret, now
	} else {
		e.until = now.Add(c.cfg.Hold)
		e.held = e.until
		if !err.Temporary() { // somebody has taken away the secret, or the right to read it
			e.secret, e.good = Secret{}, time.Time{}
		}
	}
	e.err = err
	c.entries[id] = e
	return e
}

func (c *Cache) get(ctx context.Context, id string) (Secret, *Error) {
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

// now is the wall clock: the monotonic one may stand still while Lambda has frozen the function.
func (c *Cache) now() time.Time { return c.cfg.Now().Round(0) }
