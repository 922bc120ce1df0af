package e2e

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAWSCommandsExist compares each `aws` command in the documents and templates with the AWS API's own model, which
// comes with the SAM CLI: the operation, and each option. AWS CLI 2 is not on PyPI, and most commands need an account.
func TestAWSCommandsExist(t *testing.T) {
	ofTheCLI := map[string]string{ // commands that the AWS CLI makes of several calls: these have no model
		"cloudformation deploy": "stack-name template-file",
		"logs tail":             "since",
	}
	everywhere := []string{"query", "output", "region", "cli-binary-format"}
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "*.yaml"} {
		found, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	commands := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		joined := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(string(text), " ")
		for _, match := range regexp.MustCompile("(?m)(?:^\\s*|`|[:;{|] )aws ([a-z0-9-]+) ([a-z][a-z-]+)([^`\n]*)").
			FindAllStringSubmatch(joined, -1) {
			commands++
			service, operation := match[1], match[2]
			options, known := ofTheCLI[service+" "+operation]
			members := strings.Fields(options)
			if !known {
				members, known = inputOf(t, service, operation)
			}
			if !known {
				t.Errorf("%s: there is no aws %s %s", filepath.Base(file), service, operation)
				continue
			}
			for _, option := range regexp.MustCompile(` --([a-z-]+)`).FindAllStringSubmatch(match[3], -1) {
				name := strings.ReplaceAll(strings.TrimPrefix(option[1], "no-"), "-", "")
				fits := func(member string) bool {
					return strings.EqualFold(strings.ReplaceAll(member, "-", ""), name)
				}
				if !slices.Contains(everywhere, option[1]) && !slices.ContainsFunc(members, fits) {
					t.Errorf("%s: aws %s %s has no --%s", filepath.Base(file), service, operation, option[1])
				}
			}
		}
	}
	if commands < 20 {
		t.Errorf("only %d commands", commands)
	}
}

// inputOf returns the members of an operation's input, and whether there is such an operation. Its name is written as
// in the AWS CLI.
func inputOf(t *testing.T, service, operation string) (members []string, known bool) {
	t.Helper()
	packages := filepath.Join(filepath.Dir(tool(t, "SAM")), "..", "lib", "python3*", "site-packages")
	models, err := filepath.Glob(filepath.Join(packages, "botocore", "data", service, "*", "service-2.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if len(models) == 0 {
		return nil, false
	}
	file, err := os.Open(slices.Max(models)) // the newest
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var model struct {
		Operations map[string]struct{ Input struct{ Shape string } }
		Shapes     map[string]struct{ Members map[string]any }
	}
	if err := json.NewDecoder(unpacked).Decode(&model); err != nil {
		t.Fatal(err)
	}
	for name, row := range model.Operations {
		if strings.EqualFold(name, strings.ReplaceAll(operation, "-", "")) {
			for member := range model.Shapes[row.Input.Shape].Members {
				members = append(members, member)
			}
			return members, true
		}
	}
	return nil, false
}
