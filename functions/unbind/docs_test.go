package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/events"
	"wedata-unbind/internal/wedata"
	"wedata-unbind/internal/wedata/wedatatest"
)

// The README and the pages in docs are a promise: what they show is sent, and what they name is there.

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// section returns the text under a heading of the README.
func section(t *testing.T, heading string) string {
	t.Helper()
	return sectionOf(t, filepath.Join("..", "..", "README.md"), heading)
}

// sectionOf returns the text under a heading of the second level.
func sectionOf(t *testing.T, page, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(read(t, page), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %s", page, heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// examples returns the JSON shown in a text.
func examples(t *testing.T, text string) []string {
	t.Helper()
	var found []string
	for _, match := range regexp.MustCompile("(?s)```json\n(.*?)\n```").FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	if len(found) == 0 {
		t.Fatal("no examples")
	}
	return found
}

// firstColumn returns the words in code type in the first column of the tables of a text.
func firstColumn(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				names = append(names, match[1])
			}
		}
	}
	return names
}

func TestREADMEEventsAreCarriedOut(t *testing.T) {
	shown := section(t, "What comes out")
	for _, event := range examples(t, section(t, "What comes in")) {
		t.Run(event, func(t *testing.T) {
			w := newFixture(t, wedatatest.Options{})
			w.putToken()
			reply := invoke(t, w.start(t), event)
			if reply.Err() != nil {
				t.Fatal(reply.Err())
			}
			if event == `{"uid":"E1001"}` && string(reply.Payload) != examples(t, shown)[0] {
				t.Errorf("the reply is %s", reply.Payload)
			}
		})
	}
}

func TestDocumentedSecretsAreRead(t *testing.T) {
	keepers := read(t, filepath.Join("..", "..", "docs", "token-keepers.md"))
	for _, form := range append(examples(t, section(t, "The secret")), examples(t, keepers)...) {
		t.Run(form, func(t *testing.T) {
			w := newFixture(t, wedatatest.Options{})
			own, other := w.wechat.Rotate(shop), w.wechat.Rotate("wxfedcba9876543210")
			w.aws.Secrets.Put("wedata/wxfedcba9876543210", other)
			w.aws.Secrets.Put("wedata/merchants/wxfedcba9876543210", other)
			w.aws.Secrets.Put("wedata/merchants/"+shop, own)
			w.aws.Secrets.Put(secretID, strings.ReplaceAll(form, "…", own))
			reply := invoke(t, w.start(t), `{"dry_run":true,"uid":"E1001"}`)
			merchants := slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`"wx[0-9a-f]{16}"`).FindAllString(form, -1))))
			if reply.Err() != nil || strings.Count(string(reply.Payload), `"status"`) != len(merchants) {
				t.Errorf("got %s, %v, want outcomes for %v", reply.Payload, reply.Err(), merchants)
			}
		})
	}
}

func TestTheDocumentsHaveTheStatusesOfTheTable(t *testing.T) {
	var names, rows []string
	for _, row := range departure.Statuses() {
		names = append(names, string(row.Status))
		rows = append(rows, fmt.Sprintf("| `%s` | %s |\n", row.Status, row.Meaning))
	}
	if table := "| status | meaning |\n|---|---|\n" + strings.Join(rows, "") + "\n"; !strings.Contains(section(t, "What comes out"), table) {
		t.Errorf("the README lacks this table:\n%s", table)
	}
	enum := "status: {enum: [" + strings.Join(names, ", ") + "]}\n"
	if !strings.Contains(read(t, filepath.Join("..", "..", "docs", "openapi.yaml")), enum) {
		t.Errorf("docs/openapi.yaml lacks %s", enum)
	}
}

func TestREADMEEnvironmentIsWhatIsRead(t *testing.T) {
	var read []string
	_, _ = readConfig(func(name string) string {
		read = append(read, name)
		return ""
	})
	slices.Sort(read)
	named := firstColumn(section(t, "The environment of the function"))
	slices.Sort(named)
	if !slices.Equal(named, slices.Compact(read)) {
		t.Errorf("the README names %v, and the function reads %v", named, read)
	}
}

func TestTheTemplateSetsTheEnvironment(t *testing.T) {
	template := read(t, filepath.Join("..", "..", "template.yaml"))
	_, _ = readConfig(func(name string) string {
		if !strings.Contains(template, "\n          "+name+": ") {
			t.Errorf("the template does not set %s", name)
		}
		return ""
	})
}

func TestEveryTriggerHasAnEventToSend(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "events", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string]bool{}
	for _, file := range files {
		name, err := events.Trigger([]byte(read(t, file)))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		sent[name] = true
	}
	for _, name := range events.Triggers() {
		if !sent[name] {
			t.Errorf("events/ has no event for the trigger %s", name)
		}
	}
}

func TestEveryActionIsInTheREADME(t *testing.T) {
	for _, name := range events.Actions() {
		if example := `{"action":"` + name + `"`; !strings.Contains(section(t, "What comes in"), example) {
			t.Errorf("the README does not show %s", example)
		}
	}
}

func TestDocumentsPointAtWhatIsThere(t *testing.T) {
	root := filepath.Join("..", "..")
	makefile := read(t, filepath.Join(root, "Makefile"))
	for _, page := range pages(t) {
		t.Run(filepath.Base(page), func(t *testing.T) {
			text := read(t, page)
			for _, match := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(text, -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(page), match[1])); err != nil && !strings.Contains(match[1], "://") {
					t.Error(err)
				}
			}
			for _, match := range regexp.MustCompile("(?m)(?:^ *|`)make ([a-z0-9-]+)(?: EVENT=([^`\\s]+))?").FindAllStringSubmatch(text, -1) {
				if !regexp.MustCompile(`(?m)^` + match[1] + `:`).MatchString(makefile) {
					t.Errorf("make %s: there is no such target", match[1])
				}
				if match[2] != "" {
					if _, err := os.Stat(filepath.Join(root, match[2])); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

func TestEveryAlarmIsExplained(t *testing.T) {
	var alarms []string
	template := read(t, filepath.Join("..", "..", "template.yaml"))
	for _, match := range regexp.MustCompile(`(?m)^  (\w+):\n    Type: AWS::CloudWatch::Alarm`).FindAllStringSubmatch(template, -1) {
		alarms = append(alarms, match[1])
	}
	explained := firstColumn(sectionOf(t, filepath.Join("..", "..", "docs", "operations.md"), "Alarms"))
	if !slices.Equal(explained, alarms) {
		t.Errorf("the page explains %v, and the template has %v", explained, alarms)
	}
}

func TestEveryClassIsExplained(t *testing.T) {
	var classes []string
	for _, class := range wedata.Classes() {
		classes = append(classes, string(class))
	}
	// The others are not WeChat's.
	classes = append(classes,
		"secret", "bad_event", "no_time", "still_bound", "not_due", "schedule", "aws", "unmapped", "unverified", "too_many")
	text := sectionOf(t, filepath.Join("..", "..", "docs", "operations.md"), "Classes")
	if explained := firstColumn(text); !slices.Equal(explained, classes) {
		t.Errorf("the page explains %v, and the classes are %v", explained, classes)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") && !regexp.MustCompile(`^\|( [^|]+ \|){3}\n$|^\|[-|]+\n$`).MatchString(line) {
			t.Errorf("a row lacks what it means or what to do: %s", line)
		}
	}
}

// What is promised is shown: each row of the tables names tests or fuzz targets that there are.
func TestEveryGuaranteeNamesItsTests(t *testing.T) {
	root := filepath.Join("..", "..")
	tests := testNames(t)
	rows := 0
	for line := range strings.Lines(read(t, filepath.Join(root, "docs", "guarantees.md"))) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], "-") || strings.Contains(cells[len(cells)-2], "shown by") {
			continue
		}
		rows++
		named := regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(cells[len(cells)-2], -1)
		if len(named) == 0 {
			t.Errorf("a row names no test: %s", line)
		}
		for _, match := range named {
			if !tests[match[1]] {
				t.Errorf("there is no test %s: %s", match[1], line)
			}
		}
	}
	if rows < 20 {
		t.Errorf("%d rows", rows)
	}
}
