package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"wedata-unbind/internal/departure"
)

const docsURL = "file:///docs/"

// schemas returns a compiler that knows the documentation's schemas, and the OpenAPI document.
func schemas(t *testing.T) (*jsonschema.Compiler, map[string]any) {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	var api map[string]any
	for _, name := range []string{"schema/event.json", "schema/sources.json", "openapi.yaml"} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "openapi.yaml" {
			if err := yaml.Unmarshal(text, &api); err != nil {
				t.Fatal(err)
			}
			if text, err = json.Marshal(api); err != nil {
				t.Fatal(err)
			}
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := compiler.AddResource(docsURL+name, doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return compiler, api
}

func compile(t *testing.T, c *jsonschema.Compiler, name string) func(text string) error {
	t.Helper()
	schema, err := c.Compile(docsURL + name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return func(text string) error {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return schema.Validate(value)
	}
}

// beyondSchema are faults that no JSON Schema finds.
var beyondSchema = []string{
	"an unknown placeholder", "an open placeholder", "people twice", "people twice, by a name of letters",
	"a key that is short without the word", "a key that is short once decoded", "paths that are not closed",
}

// The schema lets pass what the documentation shows, and refuses nothing that the code takes.
func TestSchemaOfTheSources(t *testing.T) {
	c, _ := schemas(t)
	validate := compile(t, c, "schema/sources.json")
	all, err := json.Marshal(documented(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(string(all)); err != nil {
		t.Errorf("the documentation: %v", err)
	}
	for _, entry := range faultRows {
		err := validate(`{"hr":` + entry.entry + `}`)
		if len(entry.want) == 0 && err != nil {
			t.Errorf("%s: %v", entry.name, err)
		}
		if len(entry.want) > 0 && err == nil && !slices.Contains(beyondSchema, entry.name) {
			t.Errorf("%s: the schema finds no fault", entry.name)
		}
	}
}

func TestSchemaOfTheEvent(t *testing.T) {
	c, _ := schemas(t)
	validate := compile(t, c, "schema/event.json")
	for text, good := range map[string]bool{
		`{"specversion":"1.0","id":"evt-1","source":"hr","type":"employee.left","time":"2026-11-23T01:00:00Z","data":{"uid":"E1001","merchant":"wx0123456789abcdef","effective_at":"2026-11-30"}}`: true,
		`{"type":"com.example.employee.left.cancelled","timestamp":"2026-11-23T01:00:00+08:00","data":{"uid":["E1","E2"],"merchant":["wx1"],"more":1}}`:                                            true,
		`{"type":"employee.left","data":{"uid":"E1","effective_at":"2026-11-30T18:00:00+08:00"}}`:                                                                                                  true,
		`{"type":"employee.left","data":{}}`:                                         false,
		`{"type":"employee.left","data":{"uid":7}}`:                                  false,
		`{"type":"employee.left","data":{"uid":[]}}`:                                 false,
		`{"type":"employee.left","data":{"uid":" "}}`:                                false,
		`{"type":"employee.left","data":{"uid":"E1","effective_at":"soon"}}`:         false,
		`{"type":"employee.left","time":"now","data":{"uid":"E1"}}`:                  false,
		`{"type":"employee.left","data":["E1"]}`:                                     false,
		`{"type":"employee.left","data":{"uid":"` + strings.Repeat("x", 257) + `"}}`: false,
	} {
		if err := validate(text); (err == nil) != good {
			t.Errorf("the schema of %.80s: %v", text, err)
		}
		events := departure.Decoder{}.Decode([]byte(text), departure.Meta{})
		if (len(events) == 1 && events[0].Status == "") != good {
			t.Errorf("the decoder of %.80s: %+v", text, events)
		}
	}
	if err := validate(`{"type":"employee.hired","data":{}}`); err == nil {
		t.Error("an event of another type is a departure")
	}
	bare := compile(t, c, "schema/event.json#/$defs/bare")
	for text, good := range map[string]bool{`{"uid":"E1"}`: true, `{"uid":"E1","department":"x"}`: false, `{"uid":"E1","merchant":"someone"}`: false} {
		events := departure.Decoder{}.Decode([]byte(text), departure.Meta{})
		if schemaErr := bare(text); (schemaErr == nil) != good || (events[0].Status == "") != good {
			t.Errorf("%s: the schema says %v, the decoder %+v", text, schemaErr, events)
		}
	}
	written, err := json.Marshal(departure.Event{
		Meta: departure.Meta{Type: departure.TypeLeft, ID: "1", Time: now}, UIDs: []string{"E1"}, EffectiveAt: now,
	})
	if err != nil || validate(string(written)) != nil {
		t.Errorf("what we write ourselves: %s: %v", written, errors.Join(err, validate(string(written))))
	}
}

func TestOpenAPI(t *testing.T) {
	c, api := schemas(t)
	if api["openapi"] != "3.1.0" {
		t.Errorf("version %v", api["openapi"])
	}
	found := 0
	walkAPI(api, "", func(pointer string, node map[string]any) {
		if ref, ok := node["$ref"].(string); ok && strings.HasPrefix(ref, "#/components/responses/") {
			name := strings.TrimPrefix(ref, "#/components/responses/")
			if lookUp(api, "components", "responses", name) == nil {
				t.Errorf("%s: there is no %s", pointer, ref)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(node)) {
			if name == "schema" || strings.HasSuffix(pointer, "/components/schemas") {
				compile(t, c, "openapi.yaml#"+pointer+"/"+escape(name))
				found++
			}
		}
		var examples []any
		if example, ok := node["example"]; ok {
			examples = append(examples, example)
		}
		several, _ := node["examples"].(map[string]any)
		for _, one := range several {
			examples = append(examples, one.(map[string]any)["value"])
		}
		for _, example := range examples {
			text, _ := json.Marshal(example)
			if err := compile(t, c, "openapi.yaml#"+pointer+"/schema")(string(text)); err != nil {
				t.Errorf("%s: %v", pointer, err)
			}
		}
	})
	if found < 20 {
		t.Errorf("%d schemas found", found)
	}
	for path, statuses := range map[string][]string{
		"/hooks/{source} get":  {"200", "400", "401", "404", "405", "503"},
		"/hooks/{source} post": {"200", "400", "401", "404", "405", "413", "503"},
		"/unbind post":         {"200", "202", "400", "401", "404", "405", "413", "503"},
	} {
		path, method, _ := strings.Cut(path, " ")
		got, _ := lookUp(api, "paths", path, method, "responses").(map[string]any)
		if !slices.Equal(slices.Sorted(maps.Keys(got)), statuses) {
			t.Errorf("%s %s: %v", method, path, got)
		}
	}
}

// Every scheme of the table has a schema and a documented entry, and the schema has no other.
func TestEverySchemeIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/schema/sources.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	inSchema := map[string]bool{}
	for _, def := range schema["$defs"].(map[string]any) {
		scheme, _ := lookUp(def, "properties", "scheme").(map[string]any)
		list, _ := scheme["enum"].([]any)
		for _, name := range append(list, scheme["const"]) {
			if name, ok := name.(string); ok && lookUp(def, "required") != nil {
				inSchema[name] = true
			}
		}
	}
	if got, want := slices.Sorted(maps.Keys(inSchema)), slices.Sorted(maps.Keys(schemes)); !slices.Equal(got, want) {
		t.Errorf("the schema has %v, the table %v", got, want)
	}
	docs, err := os.ReadFile("../../docs/hr-systems.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range schemes {
		if !regexp.MustCompile(`"scheme": ?"` + name + `"`).Match(docs) {
			t.Errorf("docs/hr-systems.md shows no entry with the scheme %s", name)
		}
	}
}

// walkAPI visits every object of a document, with its JSON pointer.
func walkAPI(node any, pointer string, visit func(string, map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		visit(pointer, node)
		for name, child := range node {
			walkAPI(child, pointer+"/"+escape(name), visit)
		}
	case []any:
		for i, child := range node {
			walkAPI(child, fmt.Sprintf("%s/%d", pointer, i), visit)
		}
	}
}

func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func lookUp(node any, path ...string) any {
	for _, name := range path {
		object, _ := node.(map[string]any)
		node = object[name]
	}
	return node
}
