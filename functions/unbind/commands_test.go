package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages returns the paths of all documents.
func pages(t *testing.T) []string {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []string
	for _, pattern := range []string{"*.md", filepath.Join("docs", "*.md")} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

// notRun has each target of make that the documents name and that .ci/run does not run, and why. A reason names the
// test that does what the target does, where there is one.
var notRun = map[string]string{
	"help":          "TestMakeHelpShowsEveryTarget looks at what it shows",
	"run":           "TestREADMEShowsWhatARunPrints runs its commands",
	"check-sources": "TestRun runs its program",
	"chaos":         "it takes 10 minutes; make test runs a part of it",
	"bench":         "TestTheBenchMeasuresEveryScenario runs its program; its figures are for people",
	"bench-go":      "its figures are for people",
	"simulate":      "TestSimulation is a short run of it",
	"mutants":       "it takes 30 minutes",
	"fuzz":          "it takes 15 seconds a target; make test runs the seeds",
	"build":         "make e2e builds by it",
	"local":         "TestLocalInvoke runs its command in make e2e",
	"local-api":     "TestLocalAPI runs its command in make e2e",
	"local-aws":     "it runs until it is stopped; TestDeployLocally starts the same two programs",
	"dead-letters":  "TestDeployment runs it on a local AWS",
	"redrive":       "TestDeployment runs it on a local AWS",
	"deploy":        "TestDeployLocally runs CONFIG=local, and the others need an account",
	"release":       "it needs a tag; make release-check gives one to a clone",
}

// targets returns the targets of the Makefile that make help shows.
func targets(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^([a-z0-9-]+):.*## `).FindAllStringSubmatch(
		read(t, filepath.Join("..", "..", "Makefile")), -1) {
		all[match[1]] = true
	}
	return all
}

func TestEveryMakeCommandIsRunByACheck(t *testing.T) {
	named := map[string]string{}
	for _, page := range pages(t) {
		for _, match := range regexp.MustCompile("(?m)(?:^ *|`)make ([a-z0-9-]+)").FindAllStringSubmatch(read(t, page), -1) {
			named[match[1]] = filepath.Base(page)
		}
	}
	checks := read(t, filepath.Join("..", "..", ".ci", "run"))
	there := targets(t)
	for target, page := range named {
		run := regexp.MustCompile(`(?m)^step .* make ` + target + `$`).MatchString(checks)
		switch reason := notRun[target]; {
		case !there[target]:
			t.Errorf("%s names make %s, which is no target", page, target)
		case !run && reason == "":
			t.Errorf("%s names make %s, which .ci/run does not run, and no reason is given here", page, target)
		case run && reason != "":
			t.Errorf(".ci/run runs make %s; take the reason away", target)
		}
	}
	tests := testNames(t)
	for target, reason := range notRun {
		if !there[target] {
			t.Errorf("a reason is given for make %s, which is no target", target)
		}
		for _, name := range regexp.MustCompile(`Test\w+`).FindAllString(reason, -1) {
			if !tests[name] {
				t.Errorf("make %s: there is no %s", target, name)
			}
		}
	}
}

func TestMakeHelpShowsEveryTarget(t *testing.T) {
	makefile := read(t, filepath.Join("..", "..", "Makefile"))
	internal := map[string]bool{ // parts of others
		"build-UnbindFunction": true, "check-arch": true, "check-config": true, "image": true,
	}
	there := targets(t)
	for _, match := range regexp.MustCompile(`(?m)^([a-z][A-Za-z0-9-]*):`).FindAllStringSubmatch(makefile, -1) {
		if !there[match[1]] && !internal[match[1]] {
			t.Errorf("make help does not show %s", match[1])
		}
	}
	if groups := strings.Count(makefile, "\n##### "); groups < 4 {
		t.Errorf("%d groups", groups)
	}
	if len(there) < 10 {
		t.Errorf("only %v", slices.Sorted(maps.Keys(there)))
	}
}

func TestMakeSaysWhatIsMistyped(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("no make")
	}
	for command, says := range map[string]string{
		"deploy CONFIG=lokal": "there is no CONFIG=lokal; samconfig.toml has the sections: default prod local",
		"fuzz FUZZTIME=15":    "FUZZTIME=15 is no time",
	} {
		run := exec.CommandContext(t.Context(), "make", strings.Fields(command)...)
		run.Dir = filepath.Join("..", "..")
		out, err := run.CombinedOutput()
		if err == nil || !strings.Contains(string(out), says) {
			t.Errorf("make %s: %v, want an error with %q:\n%s", command, err, says, out)
		}
	}
}

// testNames returns the names of all tests of the project.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && len(entry.Name()) > 2:
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			for _, match := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(read(t, path), -1) {
				tests[match[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// slug returns the anchor that GitHub gives to a heading.
func slug(heading string) string {
	heading = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(heading, " ", "-")
}

func TestLinksReachTheirHeadings(t *testing.T) {
	heading, link := regexp.MustCompile(`(?m)^#+ (.*)$`), regexp.MustCompile(`\]\(([^):#]*)#([^)]+)\)`)
	found := map[string]map[string]bool{} // by page
	anchors := func(page string) map[string]bool {
		if found[page] == nil {
			found[page] = map[string]bool{}
			for _, match := range heading.FindAllStringSubmatch(read(t, page), -1) {
				found[page][slug(match[1])] = true
			}
		}
		return found[page]
	}
	links := 0
	for _, page := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(read(t, page), -1) {
			target := page
			if match[1] != "" {
				target = filepath.Join(filepath.Dir(page), match[1])
			}
			links++
			if !anchors(target)[match[2]] {
				t.Errorf("%s: %s has no heading #%s", filepath.Base(page), filepath.Base(target), match[2])
			}
		}
	}
	if links < 30 {
		t.Errorf("only %d links to headings", links)
	}
}
