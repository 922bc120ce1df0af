package e2e

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tool returns the path of a tool that make installed. make passes it in the environment.
func tool(t *testing.T, name string) string {
	t.Helper()
	path := os.Getenv(name)
	if path == "" {
		t.Fatalf("%s is not set: run make e2e, which installs what is needed", name)
	}
	return path
}

// environ returns the environment of the tools: paths of this process, but never a developer's credentials.
func environ(more ...string) []string {
	env := []string{
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "SAM_CLI_TELEMETRY=0", "PYTHONWARNINGS=ignore",
	}
	for _, name := range []string{"PATH", "HOME", "DOCKER_HOST"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, more...)
}

// sam runs the SAM CLI at the root of the project and returns its standard output and error.
func sam(t *testing.T, env []string, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, err := trySam(t, env, args...)
	if err != nil {
		t.Fatalf("sam %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout, stderr
}

// trySam is sam for a command that may fail.
func trySam(t *testing.T, env []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, tool(t, "SAM"), args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "..", env, &out, &complaint
	err = cmd.Run()
	return out.String(), complaint.String(), err
}

// start starts a tool that runs until the test ends, and returns its process id. A failed test shows its output.
func start(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		stop := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		stop.Stop()
		if t.Failed() {
			log.Seek(0, io.SeekStart)
			text, _ := io.ReadAll(log)
			t.Logf("%s wrote:\n%s", cmd.Path, tail(text, 20_000))
		}
		log.Close()
	})
	return cmd.Process.Pid
}

func tail(text []byte, limit int) []byte { return text[max(0, len(text)-limit):] }

// eventually waits until the condition holds, and fails the test after the time given.
func eventually(t *testing.T, within time.Duration, awaited string, come func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(within)
	for !come() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", within, awaited)
		}
	}
}

// freePort returns a free port.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}
