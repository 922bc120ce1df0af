package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// grant is one action that the function's role allows on one resource, as docs/iam.md has it.
type grant struct{ action, resource, condition string }

// TestRoleIsDocumented compares the function's role in the template with the table in docs/iam.md, and checks that each
// file in the table has the call that needs the action.
func TestRoleIsDocumented(t *testing.T) {
	granted, documented := templateGrants(t), documentedGrants(t)
	for _, g := range granted {
		if !slices.Contains(documented, g) {
			t.Errorf("template.yaml grants %q, which docs/iam.md does not explain", g)
		}
	}
	for _, g := range documented {
		if !slices.Contains(granted, g) {
			t.Errorf("docs/iam.md has %q, which template.yaml does not grant", g)
		}
	}
}

func documentedGrants(t *testing.T) []grant {
	t.Helper()
	text, err := os.ReadFile("../docs/iam.md")
	if err != nil {
		t.Fatal(err)
	}
	calls := regexp.MustCompile("`([^`]+\\.(?:go|yaml))`: `([^`]+)`")
	var grants []grant
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(line, "| \n"), "|")
		if len(cells) != 4 || !strings.Contains(cells[0], ":") || strings.HasPrefix(cells[0], "---") {
			continue
		}
		cell := func(i int) string { return strings.TrimSpace(strings.ReplaceAll(cells[i], "`", "")) }
		grants = append(grants, grant{cell(0), cell(1), cell(2)})
		found := calls.FindAllStringSubmatch(cells[3], -1)
		if len(found) == 0 {
			t.Errorf("docs/iam.md: %s has no file and call", cell(0))
		}
		for _, call := range found {
			code, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(call[1])))
			if err != nil || !strings.Contains(string(code), call[2]) {
				t.Errorf("docs/iam.md: %s needs %s for %s, but has no such call", call[1], cell(0), call[2])
			}
		}
	}
	return grants
}

func templateGrants(t *testing.T) []grant {
	t.Helper()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources struct {
			FunctionRole struct {
				Properties struct {
					ManagedPolicyArns []string `yaml:"ManagedPolicyArns"`
					Policies          []struct {
						PolicyDocument struct {
							Statement []yaml.Node `yaml:"Statement"`
						} `yaml:"PolicyDocument"`
					} `yaml:"Policies"`
				} `yaml:"Properties"`
			} `yaml:"FunctionRole"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	role := template.Resources.FunctionRole.Properties
	if len(role.Policies) == 0 || len(role.ManagedPolicyArns) > 0 {
		t.Fatalf("the role has %d policies of its own and the managed ones %v; want no managed ones",
			len(role.Policies), role.ManagedPolicyArns)
	}
	var grants []grant
	for _, policy := range role.Policies {
		for i := range policy.PolicyDocument.Statement {
			node, condition := branch(&policy.PolicyDocument.Statement[i])
			var statement map[string]yaml.Node
			if err := node.Decode(&statement); err != nil {
				t.Fatal(err)
			}
			actions, resources := statement["Action"], statement["Resource"]
			for _, action := range items(&actions) {
				for _, resource := range items(&resources) {
					resource, onlyIf := branch(resource)
					g := grant{action.Value, shortName(resource), condition + onlyIf}
					if statement["Effect"].Value == "Deny" {
						g.action = "deny " + g.action
					}
					grants = append(grants, g)
				}
			}
		}
	}
	return grants
}

// branch returns the first branch of an !If and its condition, or the node itself if it is no !If.
func branch(node *yaml.Node) (*yaml.Node, string) {
	if node.Tag == "!If" && len(node.Content) == 3 {
		return node.Content[1], node.Content[0].Value
	}
	return node, ""
}

// items returns the items of a list, or the single value.
func items(node *yaml.Node) []*yaml.Node {
	if node.Kind == yaml.SequenceNode && node.Tag != "!If" {
		return node.Content
	}
	return []*yaml.Node{node}
}

// shortName returns a resource without the beginning of its ARN and without .Arn.
func shortName(resource *yaml.Node) string {
	name := strings.TrimSuffix(resource.Value, ".Arn")
	if i := strings.Index(name, ":secret:"); i >= 0 {
		name = name[i+1:]
	}
	return name
}
