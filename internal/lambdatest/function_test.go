package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, env map[string]string) *Function {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if env == nil {
		env = map[string]string{}
	}
	if env[actAsFunction] == "" {
		env[actAsFunction] = "serve"
	}
	fn, err := Start(Config{Path: path, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	fn.timeout = time.Minute // a busy machine is slow
	t.Cleanup(func() { fn.Close() })
	return fn
}

// starts returns how many processes there have been: each writes a line when it starts.
func starts(fn *Function) int { return strings.Count(fn.Log(), started) }

func mustInvoke(t *testing.T, fn *Function, event string) Reply {
	t.Helper()
	reply, err := fn.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestFunctionReplies(t *testing.T) {
	fn := start(t, nil)
	for name, row := range map[string]struct{ event, payload, errorType, errorMessage string }{
		"a payload":       {`{"do":"echo","text":"你好"}`, `"你好"`, "", ""},
		"null":            {`{"do":"log","text":"x"}`, `null`, "", ""},
		"an error's type": {`{"do":"err","text":"no"}`, `{"errorMessage":"no","errorType":"namedError"}`, "namedError", "no"},
		"event not as due": {
			`17`, "", "UnmarshalTypeError",
			"json: cannot unmarshal number into Go value of type lambdatest.order",
		},
	} {
		t.Run(name, func(t *testing.T) {
			reply := mustInvoke(t, fn, row.event)
			if row.payload != "" && string(reply.Payload) != row.payload {
				t.Errorf("payload %s, want %s", reply.Payload, row.payload)
			}
			if reply.ErrorType != row.errorType || reply.ErrorMessage != row.errorMessage {
				t.Errorf("error %q %q, want %q %q", reply.ErrorType, reply.ErrorMessage, row.errorType, row.errorMessage)
			}
			if (reply.Err() != nil) != (row.errorType != "") {
				t.Errorf("Err() = %v", reply.Err())
			}
			if reply.RequestID == "" || reply.Duration <= 0 {
				t.Errorf("request id %q, duration %v", reply.RequestID, reply.Duration)
			}
		})
	}
	if n := starts(fn); n != 1 {
		t.Errorf("%d processes for all that, want 1", n)
	}
}

func TestFunctionSeesWhatLambdaTellsAndNothingElse(t *testing.T) {
	t.Setenv("AWS_PROFILE", "somebody")
	fn := start(t, map[string]string{"WEDATA_SECRET_ID": "wedata/token", "AWS_REGION": "eu-central-1"})
	reply := mustInvoke(t, fn, `{"do":"context"}`)
	var got struct {
		ID, ARN string
		Left    int64 `json:"left_ms"`
		Env     []string
	}
	if err := json.Unmarshal(reply.Payload, &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != reply.RequestID || !strings.HasPrefix(got.ARN, "arn:aws:lambda:") {
		t.Errorf("context %+v", got)
	}
	if got.Left <= 0 || got.Left > 60_000 {
		t.Errorf("%d ms left of 1 min", got.Left)
	}
	for _, want := range []string{"WEDATA_SECRET_ID=wedata/token", "AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=stand-in"} {
		if !slices.Contains(got.Env, want) {
			t.Errorf("%s is missing in %q", want, got.Env)
		}
	}
	for _, entry := range got.Env {
		if strings.HasPrefix(entry, "AWS_PROFILE=") || strings.HasPrefix(entry, "HOME=") {
			t.Errorf("inherited: %s", entry)
		}
	}
}

func TestFunctionLogIsCompleteWithTheReply(t *testing.T) {
	fn := start(t, nil)
	mustInvoke(t, fn, `{"do":"log","text":"first"}`)
	if got, want := fn.Log(), started+"first\nfirst on standard error\n"; got != want {
		t.Errorf("log %q, want %q", got, want)
	}
}

func TestFunctionThatEndsIsStartedAgainForTheNextEvent(t *testing.T) {
	for name, row := range map[string]struct{ event, errorType, exit string }{
		"a panic is an error of the function": {`{"do":"panic","text":"oh"}`, "string", ""},
		"an exit is none":                     {`{"do":"exit"}`, "", "exit status 7"},
		"a timeout":                           {`{"do":"hang"}`, "Sandbox.Timedout", ""},
	} {
		t.Run(name, func(t *testing.T) {
			fn := start(t, nil)
			if strings.Contains(row.event, "hang") {
				fn.timeout = 10 * time.Millisecond
			}
			reply, err := fn.Invoke(t.Context(), []byte(row.event))
			fn.timeout = time.Minute
			if reply.ErrorType != row.errorType {
				t.Errorf("error type %q, want %q", reply.ErrorType, row.errorType)
			}
			exit := (*ExitError)(nil)
			switch {
			case row.exit == "" && err != nil:
				t.Errorf("error %v", err)
			case row.exit == "":
			case !errors.As(err, &exit) || exit.Status != row.exit || !strings.Contains(exit.Log, "about to leave"):
				t.Errorf("error %v, want one with %q and the log", err, row.exit)
			}
			if again := mustInvoke(t, fn, `{"do":"echo","text":"well"}`); string(again.Payload) != `"well"` {
				t.Errorf("the next event: %s", again.Payload)
			}
			if n := starts(fn); n != 2 {
				t.Errorf("%d processes, want 2", n)
			}
		})
	}
}

func TestFunctionThatDoesNotStart(t *testing.T) {
	t.Run("it gives up by itself", func(t *testing.T) {
		fn := start(t, map[string]string{actAsFunction: "refuse to start"})
		_, err := fn.Invoke(t.Context(), []byte(`{}`))
		exit := (*ExitError)(nil)
		if !errors.As(err, &exit) || exit.Status != "exit status 3" || !strings.Contains(exit.Log, "WEDATA_SECRET_ID is not set") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("there is none", func(t *testing.T) {
		if _, err := Start(Config{Path: filepath.Join(t.TempDir(), "bootstrap")}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the caller gives up", func(t *testing.T) {
		fn := start(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := fn.Invoke(ctx, []byte(`{"do":"hang"}`)); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}
