package secrets_test

import (
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/secrets"
)

func TestWarm(t *testing.T) {
	for name, run := range map[string]func(*testing.T, *fakeAPI, *secrets.Cache){
		"the first Get finds the secret": func(t *testing.T, api *fakeAPI, c *secrets.Cache) {
			c.Warm(id)
			synctest.Wait()
			wantReads(t, api, 1)
			get(t, c, "v1")
			wantReads(t, api, 1)
		},
		"the first Get joins the read": func(t *testing.T, api *fakeAPI, c *secrets.Cache) {
			api.block = make(chan struct{})
			c.Warm(id)
			time.AfterFunc(time.Millisecond, func() { close(api.block) })
			get(t, c, "v1")
			wantReads(t, api, 1)
		},
		"a read that failed is forgotten": func(t *testing.T, api *fakeAPI, c *secrets.Cache) {
			for _, fault := range []error{throttled, denied} {
				api.set("v1", fault)
				c.Warm(id)
				synctest.Wait()
			}
			api.set("v1", nil)
			get(t, c, "v1")
		},
		"a read that failed does not limit Renew": func(t *testing.T, api *fakeAPI, c *secrets.Cache) {
			api.set("v1", throttled)
			c.Warm(id)
			synctest.Wait()
			api.set("v1", nil)
			v1 := get(t, c, "v1")
			api.set("v2", nil)
			renew(t, c, v1, "v2")
		},
		"a Get that joined a read that failed reads again": func(t *testing.T, api *fakeAPI, c *secrets.Cache) {
			api.block = make(chan struct{})
			api.set("v1", throttled)
			c.Warm(id)
			synctest.Wait()
			api.set("v1", nil)
			time.AfterFunc(time.Millisecond, func() { close(api.block) })
			get(t, c, "v1")
			wantReads(t, api, 2)
		},
		"a Get waits a second for it at most": func(t *testing.T, api *fakeAPI, c *secrets.Cache) {
			api.block = make(chan struct{}) // as a connection that died in a freeze
			c.Warm(id)
			synctest.Wait()
			api.block = nil
			began := time.Now()
			get(t, c, "v1")
			if took := time.Since(began); took != time.Second {
				t.Errorf("waited %v", took)
			}
		},
		"the error of the Get's own read counts": func(t *testing.T, api *fakeAPI, c *secrets.Cache) {
			api.set("v1", denied)
			c.Warm(id)
			synctest.Wait()
			for range 3 {
				_, err := c.Get(t.Context(), id)
				wantReason(t, err, secrets.Denied)
			}
			wantReads(t, api, 2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &fakeAPI{version: "v1"}
				run(t, api, secrets.New(api, secrets.Config{Rand: middle}))
			})
		})
	}
}
