package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/wedata/wedatatest"
)

// TestDeployLocally deploys as docs/operations.md tells somebody without an AWS account, and runs the commands that
// `make deploy CONFIG=local` prints in the end.
func TestDeployLocally(t *testing.T) {
	s := newStack(t)
	s.wechat.SetToken(sampleMerchant, "access-token-of-the-desk")
	s.wechat.Bind(sampleMerchant, wedatatest.Bound("E1001"), wedatatest.Bound("E1002"))
	run := func(name string, args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Env = "..", environ("AWS_ENDPOINT_URL="+s.endpoint)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}

	_, printed, found := strings.Cut(run("make", "deploy", "CONFIG=local", "WECHAT="+s.wechatURL), "To try it in this folder:\n")
	if !found {
		t.Fatal("make deploy does not print what to try")
	}
	var commands []string
	for line := range strings.Lines(printed) {
		if strings.HasPrefix(line, "  ") {
			commands = append(commands, line)
		}
	}
	replies := run("sh", "-ec", strings.Join(commands, ""))
	for _, want := range []string{`"bindings"`, `"would_unbind"`} {
		if !strings.Contains(replies, want) {
			t.Errorf("no %s in the replies:\n%s", want, replies)
		}
	}
	for _, uid := range []string{"E1001", "E1002"} {
		if s.wechat.bound(sampleMerchant, uid) {
			t.Errorf("%s is still bound after the printed commands; they replied\n%s", uid, replies)
		}
	}
}

func TestDeployLocallyRefuses(t *testing.T) {
	for _, tc := range []struct{ name, config, endpoint, want string }{
		{"a mistyped CONFIG", "lcoal", "", "there is no CONFIG=lcoal; samconfig.toml has the sections: default prod local"},
		{"an AWS elsewhere", "local", "https://aws.example.com", "deploys only to a local AWS"},
		{"a local AWS that does not run", "local", "http://127.0.0.1:" + freePort(t), "make local-aws"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cmd := exec.Command("make", "deploy", "CONFIG="+tc.config)
			cmd.Dir, cmd.Env = "..", environ("AWS_ENDPOINT_URL="+tc.endpoint)
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), tc.want) {
				t.Errorf("%v, %s; want an error with %q", err, out, tc.want)
			}
		})
	}
}
