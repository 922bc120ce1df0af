package secrets_test

import (
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/secrets"
)

func TestRenew(t *testing.T) {
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) // one read was made
	}{
		{"a rotated secret is seen at once, each time", func(t *testing.T, api *fakeAPI, c *secrets.Cache, s secrets.Secret) {
			for i, version := range []string{"v2", "v3", "v4"} {
				api.set(version, nil)
				s = renew(t, c, s, version)
				get(t, c, version)
				wantReads(t, api, 2+i)
			}
		}},
		{"after a second refusal of the old version the cache returns the new one", func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) {
			api.set("v2", nil)
			renew(t, c, v1, "v2")
			api.set("v3", nil)
			renew(t, c, v1, "v2")
			wantReads(t, api, 2)
		}},
		{"the new one is returned although a later read fails", func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) {
			api.set("v2", nil)
			renew(t, c, v1, "v2")
			api.set("v2", throttled)
			time.Sleep(5 * time.Minute)
			renew(t, c, v1, "v2")
		}},
		{"a read that brought nothing new is not repeated for 30 seconds", func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) {
			renew(t, c, v1, "v1")
			api.set("v2", nil)
			time.Sleep(30*time.Second - 1)
			renew(t, c, v1, "v1")
			wantReads(t, api, 2)
			time.Sleep(time.Nanosecond)
			renew(t, c, v1, "v2")
			wantReads(t, api, 3)
		}},
		{"a failed read returns its error and is not repeated for 30 seconds", func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) {
			api.set("v2", throttled)
			for range 3 {
				_, err := c.Renew(t.Context(), v1)
				wantReason(t, err, secrets.Throttled)
				get(t, c, "v1") // others may still use it
			}
			wantReads(t, api, 2)
			api.set("v2", nil)
			time.Sleep(30 * time.Second)
			renew(t, c, v1, "v2")
		}},
		{"a secret that may no longer be read is removed from the cache", func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) {
			api.set("v2", denied)
			_, err := c.Renew(t.Context(), v1)
			wantReason(t, err, secrets.Denied)
			_, err = c.Get(t.Context(), id)
			wantReason(t, err, secrets.Denied)
			api.set("v2", nil)
			time.Sleep(30 * time.Second)
			renew(t, c, v1, "v2")
			wantReads(t, api, 3)
		}},
		{"a read begun before the refusal does not count", func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) {
			time.Sleep(5 * time.Minute)
			api.block = make(chan struct{})
			go func() { _, _ = c.Get(t.Context(), id) }() // is answered with v1
			synctest.Wait()
			api.set("v2", nil)
			for range 10 {
				go renew(t, c, v1, "v2")
			}
			synctest.Wait()
			close(api.block)
			synctest.Wait()
			wantReads(t, api, 3)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &fakeAPI{version: "v1"}
				c := secrets.New(api, secrets.Config{Rand: middle})
				tc.run(t, api, c, get(t, c, "v1"))
			})
		})
	}
}

func TestManyRenewalsOfAnUnchangedSecretReadOncePerHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{version: "v1"}
		c := secrets.New(api, secrets.Config{TTL: time.Hour, Rand: middle})
		v1 := get(t, c, "v1")
		for range 600 { // two refusals a second, for five minutes
			renew(t, c, v1, "v1")
			time.Sleep(500 * time.Millisecond)
		}
		wantReads(t, api, 1+10)
	})
}

// One caller finds that a read is due, and another one makes that read before the first can begin.
func TestARenewalThatComesSecondDoesNotReadAgain(t *testing.T) {
	api := &fakeAPI{version: "v1"}
	var first func() // is called when somebody looks at the clock
	c := secrets.New(api, secrets.Config{Now: func() time.Time {
		if call := first; call != nil {
			first = nil
			call()
		}
		return time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	}})
	v1 := get(t, c, "v1")
	first = func() { renew(t, c, v1, "v1") }
	renew(t, c, v1, "v1")
	wantReads(t, api, 2)
}

func TestTheReadThatBeganLastCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{version: "v1"}
		c := secrets.New(api, secrets.Config{Rand: middle})
		v1 := get(t, c, "v1")
		time.Sleep(5 * time.Minute)
		slow := make(chan struct{})
		api.block = slow
		go get(t, c, "v2") // its own read brings v1
		synctest.Wait()
		api.block = nil
		api.set("v2", nil)
		renew(t, c, v1, "v2")
		close(slow)
		synctest.Wait()
		get(t, c, "v2")
		wantReads(t, api, 3)
	})
}

// A refused token that was mended within 30 s was refused again for whoever tried by hand.
func TestACallerWithoutLimitReadsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{version: "v1"}
		c := secrets.New(api, secrets.Config{})
		v1 := get(t, c, "v1")
		renew(t, c, v1, "v1")
		api.set("v2", nil)
		renew(t, c, v1, "v1")
		if s, err := c.Renew(secrets.WithoutLimit(t.Context()), v1); err != nil || s.Version != "v2" {
			t.Errorf("got version %s, %v", s.Version, err)
		}
		api.set("", denied)
		time.Sleep(6 * time.Minute)
		_, err := c.Get(t.Context(), id)
		wantReason(t, err, secrets.Denied)
		api.set("v3", nil)
		_, err = c.Get(t.Context(), id)
		wantReason(t, err, secrets.Denied)
		if s, err := c.Get(secrets.WithoutLimit(t.Context()), id); err != nil || s.Version != "v3" {
			t.Errorf("got version %s, %v", s.Version, err)
		}
	})
}
