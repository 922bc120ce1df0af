package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"wedata-unbind/internal/secrets"
)

const id = "wedata/token"

var (
	throttled = &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}
	denied    = &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized"}
)

// fakeAPI is a Secrets Manager with one version of every secret, and a fault.
type fakeAPI struct {
	mu      sync.Mutex
	version string
	fault   error
	block   chan struct{} // a read waits until it is closed
	calls   []string
}

func (f *fakeAPI) GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	f.mu.Lock()
	f.calls = append(f.calls, *in.SecretId)
	version, fault, block := f.version, f.fault, f.block // as they are when the read begins
	f.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if fault != nil {
		return nil, fault
	}
	return &secretsmanager.GetSecretValueOutput{
		SecretString: aws.String("value of " + version), VersionId: aws.String(version),
		CreatedDate: aws.Time(time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)),
	}, nil
}

func (f *fakeAPI) set(version string, fault error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version, f.fault = version, fault
}

func (f *fakeAPI) reads() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

// middle is a random number that makes the TTL 5 minutes.
func middle() float64 { return 0.5 }

func wantReads(t *testing.T, api *fakeAPI, want int) {
	t.Helper()
	if got := api.reads(); got != want {
		t.Fatalf("%d reads, want %d", got, want)
	}
}

func get(t *testing.T, c *secrets.Cache, wantVersion string) secrets.Secret {
	t.Helper()
	s, err := c.Get(t.Context(), id)
	if err != nil || s.Version != wantVersion {
		t.Errorf("Get = version %q, %v; want version %q", s.Version, err, wantVersion)
	}
	return s
}

func renew(t *testing.T, c *secrets.Cache, seen secrets.Secret, wantVersion string) secrets.Secret {
	t.Helper()
	s, err := c.Renew(t.Context(), seen)
	if err != nil || s.Version != wantVersion {
		t.Errorf("Renew = version %q, %v; want version %q", s.Version, err, wantVersion)
	}
	return s
}

func wantReason(t *testing.T, err error, want secrets.Reason) {
	t.Helper()
	var e *secrets.Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Fatalf("error = %v; want reason %q", err, want)
	}
}

func TestGetReturnsTheSecretAsItWasRead(t *testing.T) {
	c := secrets.New(&fakeAPI{version: "v1"}, secrets.Config{})
	got := get(t, c, "v1")
	want := secrets.Secret{ID: id, Value: "value of v1", Version: "v1", Written: time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)}
	if got != want {
		t.Errorf("Get = %s %q %v, want %s %q %v", got.ID, got.Value, got.Written, want.ID, want.Value, want.Written)
	}
}

func TestFreshnessIsJittered(t *testing.T) {
	for _, tc := range []struct {
		name  string
		rand  float64
		fresh time.Duration
	}{
		{"shortest", 0, 4*time.Minute + 30*time.Second},
		{"middle", 0.5, 5 * time.Minute},
		{"longest", 1, 5*time.Minute + 30*time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &fakeAPI{version: "v1"}
				c := secrets.New(api, secrets.Config{Rand: func() float64 { return tc.rand }})
				get(t, c, "v1")
				api.set("v2", nil)
				time.Sleep(tc.fresh - time.Second)
				get(t, c, "v1")
				wantReads(t, api, 1)
				time.Sleep(time.Second)
				get(t, c, "v2")
				wantReads(t, api, 2)
			})
		})
	}
}

func TestCallersOfOneSecretShareOneRead(t *testing.T) {
	for _, tc := range []struct {
		name string
		call func(context.Context, *secrets.Cache) (secrets.Secret, error)
	}{
		{"Get", func(ctx context.Context, c *secrets.Cache) (secrets.Secret, error) { return c.Get(ctx, id) }},
		{"Renew", func(ctx context.Context, c *secrets.Cache) (secrets.Secret, error) {
			return c.Renew(ctx, secrets.Secret{ID: id, Version: "v1"})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &fakeAPI{version: "v2", block: make(chan struct{})}
				c := secrets.New(api, secrets.Config{})
				for range 50 {
					go func() {
						if s, err := tc.call(t.Context(), c); err != nil || s.Version != "v2" {
							t.Errorf("= %v, %v", s.Version, err)
						}
					}()
				}
				synctest.Wait()
				close(api.block)
				synctest.Wait()
				wantReads(t, api, 1)
			})
		})
	}
}

func TestACallerWhoLeavesDoesNotEndTheRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{version: "v1", block: make(chan struct{})}
		c := secrets.New(api, secrets.Config{})
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := c.Get(ctx, id)
			left <- err
		}()
		synctest.Wait()
		go get(t, c, "v1")
		synctest.Wait()
		leave()
		err := <-left
		wantReason(t, err, secrets.Interrupted)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v is not the context's error", err)
		}
		close(api.block)
		synctest.Wait()
		get(t, c, "v1")
		wantReads(t, api, 1)
	})
}

func TestACallerWhoseTimeIsOverStartsNoRead(t *testing.T) {
	api := &fakeAPI{version: "v1"}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := secrets.New(api, secrets.Config{}).Get(ctx, id)
	wantReason(t, err, secrets.Interrupted)
	wantReads(t, api, 0)
}

func TestAReadThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{version: "v1", block: make(chan struct{})}
		start := time.Now()
		_, err := secrets.New(api, secrets.Config{}).Get(t.Context(), id)
		wantReason(t, err, secrets.Unreachable)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestStaleSecretIsServedOnlyWhileTheFaultMayPass(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault error
		stale bool
	}{
		{"throttled", throttled, true},
		{"fault of the server", &smithy.GenericAPIError{Code: "InternalServiceError", Fault: smithy.FaultServer}, true},
		{"timeout", context.DeadlineExceeded, true},
		{"denied", denied, false},
		{"missing", &smithy.GenericAPIError{Code: "ResourceNotFoundException"}, false},
		{"unknown", errors.New("unknown"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &fakeAPI{version: "v1"}
				c := secrets.New(api, secrets.Config{Rand: middle})
				get(t, c, "v1")
				api.set("v2", tc.fault)
				time.Sleep(5 * time.Minute)
				if !tc.stale {
					_, err := c.Get(t.Context(), id)
					if !errors.Is(err, tc.fault) {
						t.Fatalf("error = %v, want %v", err, tc.fault)
					}
					// After a denied read the old secret is not served again, also while Secrets Manager is throttled.
					api.set("v2", throttled)
					time.Sleep(30 * time.Second)
					_, err = c.Get(t.Context(), id)
					wantReason(t, err, secrets.Throttled)
					return
				}
				get(t, c, "v1")
				get(t, c, "v1")
				wantReads(t, api, 2) // the failed read is not repeated
				time.Sleep(55 * time.Minute)
				get(t, c, "v1")
				wantReads(t, api, 3)
				time.Sleep(time.Second) // 1 h and 1 s after it was last good
				if _, err := c.Get(t.Context(), id); !errors.Is(err, tc.fault) {
					t.Fatalf("error = %v, want %v", err, tc.fault)
				}
				api.set("v2", nil)
				time.Sleep(30 * time.Second)
				get(t, c, "v2")
			})
		})
	}
}

func TestAFailedReadIsNotRepeatedFor30Seconds(t *testing.T) {
	for name, fault := range map[string]error{"may pass": throttled, "somebody must act": denied} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &fakeAPI{version: "v1", fault: fault}
				c := secrets.New(api, secrets.Config{})
				fails := func() {
					t.Helper()
					if _, err := c.Get(t.Context(), id); !errors.Is(err, fault) {
						t.Fatalf("Get: %v", err)
					}
					if _, err := c.Renew(t.Context(), secrets.Secret{ID: id, Version: "v0"}); !errors.Is(err, fault) {
						t.Fatalf("Renew: %v", err)
					}
				}
				fails()
				time.Sleep(30*time.Second - 1)
				fails()
				wantReads(t, api, 1)
				api.set("v1", nil)
				time.Sleep(time.Nanosecond)
				get(t, c, "v1")
			})
		})
	}
}

func TestManyCallersWhileTheSecretRotates(t *testing.T) {
	api := &fakeAPI{version: "v00"}
	c := secrets.New(api, secrets.Config{TTL: 50 * time.Microsecond})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var seen secrets.Secret
			for range 300 {
				s, err := c.Get(t.Context(), id)
				if rand.N(4) == 0 {
					s, err = c.Renew(t.Context(), s)
				}
				if err != nil || s.Version < seen.Version {
					t.Errorf("version %s after %s, %v", s.Version, seen.Version, err)
				}
				seen = s
			}
		})
	}
	for i := range 50 {
		api.set(fmt.Sprintf("v%02d", i), nil)
		runtime.Gosched()
	}
	wg.Wait()
}
