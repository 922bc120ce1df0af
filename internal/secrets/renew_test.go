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
		{"a second refusal of the old version takes the fresh one", func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) {
			api.set("v2", nil)
			renew(t, c, v1, "v2")
			api.set("v3", nil)
			renew(t, c, v1, "v2")
			wantReads(t, api, 2)
		}},
		{"the fresh one is taken though a later read fails", func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) {
			api.set("v2", nil)
			renew(t, c, v1, "v2")
			api.set("v2", throttled)
			time.Sleep(5 * time.Minute)
			renew(t, c, v1, "v2")
		}},
		{"what brought nothing new is not repeated for 30 seconds", func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) {
			renew(t, c, v1, "v1")
			api.set("v2", nil)
			time.Sleep(30*time.Second - 1)
			renew(t, c, v1, "v1")
			wantReads(t, api, 2)
			time.Sleep(time.Nanosecond)
			renew(t, c, v1, "v2")
			wantReads(t, api, 3)
		}},
		{"a failure is told, and not repeated for 30 seconds", func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) {
			api.set("v2", throttled)
			for range 3 {
				_, err := c.Renew(t.Context(), v1)
				wantReason(t, err, secrets.Throttled)
				get(t, c, "v1") // is what there is, for those to whom it was not refused
			}
			wantReads(t, api, 2)
			api.set("v2", nil)
			time.Sleep(30 * time.Second)
			renew(t, c, v1, "v2")
		}},
		{"a secret taken away is gone", func(t *testing.T, api *fakeAPI, c *secrets.Cache, v1 secrets.Secret) {
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
				c := secrets.New(api, secrets.Config{Rand: always})
				tc.run(t, api, c, get(t, c, "v1"))
			})
		})
	}
}

func TestRefusalsCannotDriveReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{version: "v1"}
		c := secrets.New(api, secrets.Config{TTL: time.Hour, Rand: always})
		v1 := get(t, c, "v1")
		for range 600 { // two refusals a second, for five minutes
			renew(t, c, v1, "v1")
			time.Sleep(500 * time.Millisecond)
		}
		wantReads(t, api, 1+10)
	})
}

// Issue: a refused token that was mended within 30 s was refused again for whoever tried by hand.
func TestACallerWithoutLimitReadsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{version: "v1"}
		c := secrets.New(api, secrets.Config{Rand: always})
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
