package offboard_test

import (
	"os/exec"
	"strings"
	"testing"
)

// The core depends neither on Lambda nor on the AWS SDK.
func TestTheCoreDoesNotDependOnAWS(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "../offboard", "../departure", "../wedata").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "wedata-unbind/internal/offboard") {
		t.Fatalf("go list does not list the core:\n%s", out)
	}
	for dependency := range strings.Lines(string(out)) {
		if strings.Contains(dependency, "aws") || strings.Contains(dependency, "smithy") {
			t.Errorf("the core depends on %s", dependency)
		}
	}
}
