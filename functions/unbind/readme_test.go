package main

import (
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wedata-unbind/internal/wedata/wedatatest"
)

// block returns the first block of code in a text. The language is "" for a plain block.
func block(t *testing.T, text, language string) string {
	t.Helper()
	match := regexp.MustCompile("(?s)```" + language + "\n(.*?)```\n").FindStringSubmatch(text)
	if match == nil {
		t.Fatalf("no block of %q", language)
	}
	return match[1]
}

// What differs from run to run.
var varying = regexp.MustCompile(`(127\.0\.0\.1:|version |after )[0-9a-f.mµ]+s?`)

// steady returns the text of a run without what differs from run to run: addresses, times, and which of the secrets
// is read first, since both are read side by side.
func steady(text string) string {
	text = varying.ReplaceAllString(text, "${1}…")
	read := regexp.MustCompile(`GetSecretValue \S+`)
	names := read.FindAllString(text, -1)
	slices.Sort(names)
	return read.ReplaceAllString(text, "GetSecretValue") + strings.Join(names, "\n")
}

func TestREADMEShowsWhatARunPrints(t *testing.T) {
	cmd := exec.CommandContext(t.Context(),
		"go", "run", "./internal/lambdatest/desk", "-bootstrap", bootstrap, "-event", "events/sns-employee-left.json")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	printed := strings.ReplaceAll(strings.TrimLeft(string(out), "\n"), bootstrap, ".build/bootstrap")
	shown := block(t, section(t, "What a run shows"), "")
	if got, want := steady(printed), steady(shown); got != want {
		t.Errorf("make run prints\n%s\nand the README shows\n%s", got, want)
	}
}

func TestREADMEEverydayCommandsAreCarriedOut(t *testing.T) {
	commands := block(t, section(t, "Every day"), "sh")
	payloads := regexp.MustCompile(`(?m)^unbind '(.+?)'`).FindAllStringSubmatch(commands, -1)
	if len(payloads) < 5 {
		t.Fatalf("only %d commands", len(payloads))
	}
	for _, match := range payloads {
		t.Run(match[1], func(t *testing.T) {
			w := newFixture(t, wedatatest.Options{})
			w.putToken()
			if reply := invoke(t, w.start(t), match[1]); reply.Err() != nil {
				t.Error(reply.Err())
			}
		})
	}
}

func TestREADMECostsAddUp(t *testing.T) {
	sum, rows := 0.0, 0
	number := regexp.MustCompile(`[0-9.]+`)
	for line := range strings.Lines(section(t, "What it costs")) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 || !strings.ContainsAny(cells[3], "0123456789") {
			continue
		}
		stated, err := strconv.ParseFloat(strings.Trim(cells[3], " *"), 64)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(cells[1], "**all**") {
			if math.Abs(stated-sum) > 0.001 {
				t.Errorf("the rows add up to %.2f: %s", sum, line)
			}
			continue
		}
		product := 1.0
		for factor := range strings.SplitSeq(cells[2], "×") {
			value, err := strconv.ParseFloat(number.FindString(factor), 64)
			if err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			product *= value
		}
		if fmt.Sprintf("%.2f", product) != fmt.Sprintf("%.2f", stated) {
			t.Errorf("it is %.2f: %s", product, line)
		}
		sum += stated
		rows++
	}
	if rows < 5 {
		t.Errorf("only %d rows", rows)
	}
}
