// Command mutants shows that the tests guard what they should: it removes one guard of the code or of the template at a
// time, and runs tests until one fails. A guard that no test misses survives, and that is an error unless its row in the
// table has a reason.
//
// It works on a copy of the tree, in .build/mutants. `make mutants` runs it at the root of the module.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	copyDir = ".build/mutants"
	// limit bounds the tests of one package: without some guards they never end.
	limit = 90 * time.Second
)

func main() {
	only := flag.String("run", "", "a regular expression: only the guards whose name or file it matches")
	from := flag.Int("from", 1, "the number of the first guard, to go on where it was stopped")
	sim := flag.Bool("simulation", false, "run the simulation alone, to see what it catches without the other tests")
	flag.Parse()
	if err := run(*only, *from, *sim); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run removes the guards in turn. It errs where a row of the table does not fit the code, or where a guard survives.
func run(only string, from int, simulation bool) error {
	pick, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	if err := copyTree(); err != nil {
		return err
	}
	var rows []guard
	for _, g := range guards() {
		if _, _, err := g.without(copyDir); err != nil {
			return err
		}
		if pick.MatchString(g.name) || pick.MatchString(g.file) {
			rows = append(rows, g)
		}
	}
	if len(rows) == 0 {
		return fmt.Errorf("no guard's name or file matches GUARDS=%s; internal/simulation/mutants/table.go has them all", only)
	}
	start, caught, survived := time.Now(), 0, 0
	var wrong []error
	for i, g := range rows {
		if i+1 < from {
			continue
		}
		by, err := g.caughtBy(simulation)
		switch {
		case err != nil:
			wrong = append(wrong, err)
			by = "not tried: its row is wrong"
		case by != "":
			caught++
		case g.reason != "":
			by = "survives: " + g.reason
		default:
			survived++
			by = "SURVIVES"
		}
		fmt.Printf("%3d/%d  %6s  | %s | %s | %s |\n", i+1, len(rows), time.Since(start).Round(time.Second), g.name, g.file, by)
	}
	fmt.Printf("%d guards removed one at a time: %d caught, %d survived without a reason\n", len(rows), caught, survived)
	if survived > 0 && !simulation {
		wrong = append(wrong, fmt.Errorf("%d guards can be removed without a failing test: add a test, or a reason to their rows", survived))
	}
	return errors.Join(wrong...)
}

// copyTree copies the module's files. Those that are unchanged stay, so that Go's build cache knows them.
func copyTree() error {
	list, err := exec.CommandContext(context.Background(), "git", "ls-files", "-co", "--exclude-standard").Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	if err := os.RemoveAll(copyDir); err != nil {
		return err
	}
	for _, name := range strings.Fields(string(list)) {
		content, err := os.ReadFile(name) //nolint:gosec // a name that git lists
		if os.IsNotExist(err) {           // removed, and not committed yet
			continue
		}
		if err == nil {
			err = os.MkdirAll(filepath.Join(copyDir, filepath.Dir(name)), 0o750)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(copyDir, name), content, 0o600) //nolint:gosec // below copyDir
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// without returns the guard's file in the module at dir, with the guard and without it. It errs where the text does not
// stand there exactly once.
func (g guard) without(dir string) (whole, mutated []byte, err error) {
	content, err := os.ReadFile(filepath.Join(dir, g.file)) //nolint:gosec // a file of the module
	if err != nil {
		return nil, nil, fmt.Errorf("guard %q: %w: correct its row in table.go", g.name, err)
	}
	if n := bytes.Count(content, []byte(g.text)); n != 1 {
		return nil, nil, fmt.Errorf("guard %q: its text stands %d times in %s, once is expected: correct its row in table.go:\n%s",
			g.name, n, g.file, g.text)
	}
	return content, bytes.Replace(content, []byte(g.text), []byte(g.instead), 1), nil
}

// caughtBy returns the first test that fails without the guard, and its package; "" where none does. It errs where the
// code without the guard cannot be compiled.
func (g guard) caughtBy(simulation bool) (test string, err error) {
	whole, mutated, err := g.without(copyDir)
	if err != nil {
		return "", err
	}
	at := filepath.Join(copyDir, g.file)
	if err := os.WriteFile(at, mutated, 0o600); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(at, whole, 0o600)) }()
	packages := g.packages()
	if simulation {
		packages = []string{"./internal/simulation"}
	}
	for _, name := range packages {
		if test, err = fails(g, name); test != "" || err != nil {
			return test, err
		}
	}
	return "", nil
}

// packages are those whose tests may miss the guard, the quick ones first.
func (g guard) packages() []string {
	if !strings.HasSuffix(g.file, ".go") {
		return []string{"./functions/unbind"}
	}
	own := "./" + filepath.Dir(g.file)
	all := []string{own}
	for _, name := range []string{"./internal/events", "./internal/simulation"} {
		if name != own {
			all = append(all, name)
		}
	}
	return all
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// fails runs the tests of a package until one fails, and returns its name.
func fails(g guard, name string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	arguments := []string{"test", "-failfast", "-timeout", (limit - 10*time.Second).String(), name}
	if !strings.HasSuffix(g.file, ".go") {
		arguments = append(arguments, "-run", "Template|Stack|Alarm|Queue|Role|Policy")
	}
	cmd := exec.CommandContext(ctx, "go", arguments...) //nolint:gosec // of packages in the table
	cmd.Dir = copyDir
	out, err := cmd.CombinedOutput()
	if err == nil {
		return "", nil
	}
	test := failed.FindSubmatch(out)
	switch {
	case bytes.Contains(out, []byte("[build failed]")):
		return "", fmt.Errorf("guard %q: what stands in its place cannot be compiled: correct its row in table.go:\n%s", g.name, out)
	case bytes.Contains(out, []byte("test timed out")) || ctx.Err() != nil:
		return name + ": the tests do not end", nil
	case bytes.Contains(out, []byte("panic: ")):
		return name + ": a test panics", nil
	case test == nil:
		return "", fmt.Errorf("guard %q: %w\n%s", g.name, err, out)
	}
	return name + ": " + string(test[1]), nil
}
