// Package secrets reads secrets from AWS Secrets Manager and caches them for some minutes. The cache bridges short
// faults of Secrets Manager, and limits how often refused tokens and signatures can cause a read.
package secrets

import (
	"cmp"
	"context"
	"fmt"
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
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (
		*secretsmanager.GetSecretValueOutput, error)
}

const (
	stale   = time.Hour       // how long after its last good read a secret is served while reads fail but may work later
	timeout = 5 * time.Second // of one read, with all the attempts of the SDK
	// warmTime is the timeout of a read of Warm. Lambda may freeze the process meanwhile, and a caller who comes after
	// that must not wait for a dead connection.
	warmTime = time.Second
)

// Config configures a [Cache]. The zero value of each member is its default.
type Config struct {
	// TTL is how long a secret is served without a new read, ±10 % so that functions that start together do not
	// read at the same time. Default 5 minutes.
	TTL time.Duration
	// Hold is how long a failed read is not repeated, nor a Renew that brought no other version. Default 30 seconds.
	Hold time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Rand returns a number in [0, 1) for the TTL. Default rand.Float64.
	Rand func() float64
}

// Cache reads secrets and keeps each one: only the operator names secrets. It is safe for concurrent use.
type Cache struct {
	api   API
	cfg   Config
	reads singleflight.Group

	mu      sync.Mutex // never held during a read
	begun   int        // how many reads have begun
	entries map[string]entry
}

// entry is what is known of one secret.
type entry struct {
	secret Secret    // of the last good read
	good   time.Time // when that was; zero if no secret may be served
	err    *Error    // of the last read; nil if it was good
	until  time.Time // until then Get does not read
	held   time.Time // until then Renew does not read
	number int       // of the read that wrote all this, by the order in which reads began
	early  bool      // that was a read of Warm, whose error counts for nobody
}

// New returns an empty Cache.
func New(api API, cfg Config) *Cache {
	cfg.TTL = cmp.Or(cfg.TTL, 5*time.Minute)
	cfg.Hold = cmp.Or(cfg.Hold, 30*time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	return &Cache{api: api, cfg: cfg, entries: map[string]entry{}}
}

// Get returns the secret named id, a name or an ARN, from the cache while it is fresh. Callers who want the same
// secret at the same time share one read. It goes on when one of them leaves. The error is an [*Error]. While reads
// fail for a reason that may pass, Get returns the last secret for an hour.
func (c *Cache) Get(ctx context.Context, id string) (Secret, error) {
	e := c.read(ctx, id, nil)
	if e.err == nil || c.now().Sub(e.good) <= stale {
		return e.secret, nil
	}
	return Secret{}, e.err
}

// Renew returns the secret after a version of it, seen, was refused. It reads the secret again, unless the cache has
// another version. Callers who ask at the same time share one read.
// After a read that failed, or that brought the version seen again, Renew does not read for Config.Hold, and returns
// what that read brought, unless ctx comes from [WithoutLimit]. The error is an [*Error].
func (c *Cache) Renew(ctx context.Context, seen Secret) (Secret, error) {
	e := c.read(ctx, seen.ID, &seen)
	if e.secret.Version != seen.Version {
		return c.Get(ctx, seen.ID)
	}
	if e.err != nil {
		return Secret{}, e.err
	}
	return e.secret, nil
}

// Warm begins to read the secret, and returns at once. The first Get finds it, or joins the read. A read that fails
// counts for nobody: Get reads again. Warm is for the start of the process, before the first Get. With 2 ms to AWS it
// takes 20 ms out of the first event, most of them the first TLS handshake of the process.
func (c *Cache) Warm(id string) {
	c.reads.DoChan(key(id, nil), func() (any, error) { return c.fetch(context.Background(), id, nil, true), nil })
}

type limitKey struct{}

// WithoutLimit returns a context for a caller who may cause reads at any time: Config.Hold does not count.
func WithoutLimit(ctx context.Context) context.Context {
	return context.WithValue(ctx, limitKey{}, true)
}

// due reports whether the secret must be read: for Get, where seen is nil, or for Renew.
func (c *Cache) due(ctx context.Context, e entry, seen *Secret) bool {
	noLimit := ctx.Value(limitKey{}) != nil
	if seen == nil {
		return !c.now().Before(e.until) || (noLimit || e.early) && e.err != nil
	}
	return e.secret.Version == seen.Version && (!c.now().Before(e.held) || noLimit)
}

// read returns the entry after the read that is due, if one is, or with the end of ctx as its error. Get and Renew do
// not share a read: one that began before the refusal may bring the refused version.
func (c *Cache) read(ctx context.Context, id string, seen *Secret) entry {
	c.mu.Lock()
	e := c.entries[id]
	c.mu.Unlock()
	if !c.due(ctx, e, seen) {
		return e
	}
	if ctx.Err() == nil {
		done := c.reads.DoChan(key(id, seen), func() (any, error) {
			return c.fetch(context.WithoutCancel(ctx), id, seen, false), nil
		})
		select {
		case result := <-done:
			e, _ = result.Val.(entry) // which fetch returns
			if e.early && e.err != nil {
				return c.read(ctx, id, seen)
			}
			return e
		case <-ctx.Done():
		}
	}
	e.good, e.err = time.Time{}, &Error{ID: id, Reason: Interrupted, Err: ctx.Err()}
	return e
}

// key names reads that callers share.
func key(id string, seen *Secret) string { return fmt.Sprintf("renew %t: %s", seen != nil, id) }

// fetch reads the secret, unless the read of another caller has just ended, and returns the entry with the result.
// Early is a read of Warm.
func (c *Cache) fetch(ctx context.Context, id string, seen *Secret, early bool) entry {
	c.mu.Lock()
	c.begun++
	e, number := c.entries[id], c.begun
	c.mu.Unlock()
	if !c.due(ctx, e, seen) {
		return e
	}
	most := timeout
	if early {
		most = warmTime
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	secret, err := c.get(ctx, id)
	now := c.now()

	c.mu.Lock()
	defer c.mu.Unlock()
	e = c.entries[id]
	if err != nil && !early || seen != nil && secret.Version == e.secret.Version {
		e.held = now.Add(c.cfg.Hold)
	}
	if number > e.number { // else a read that began later has already ended
		e.number, e.err, e.until, e.early = number, err, now.Add(c.cfg.Hold), early
		if err == nil {
			jitter := 0.9 + 0.2*c.cfg.Rand()
			e.secret, e.good, e.until = secret, now, now.Add(time.Duration(jitter*float64(c.cfg.TTL)))
		} else if !err.Temporary() { // the secret was deleted, or the role may not read it any more
			e.secret, e.good = Secret{}, time.Time{}
		}
	}
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
	return Secret{id, *out.SecretString, aws.ToString(out.VersionId), aws.ToTime(out.CreatedDate)}, nil
}

// now returns the wall clock: the monotonic clock may stop while Lambda freezes the function.
func (c *Cache) now() time.Time { return c.cfg.Now().Round(0) }
