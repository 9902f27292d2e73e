package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validator is the schema as an independent validator reads it.
func validator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("sallyport.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile("sallyport.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a YAML text as the validator takes values.
func asJSON(t *testing.T, text []byte) (any, error) {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(raw))
}

func TestSchemaAcceptsValidFiles(t *testing.T) {
	s := validator(t)
	starter, err := Starter(hostFacts())
	if err != nil {
		t.Fatal(err)
	}
	every, err := os.ReadFile("testdata/valid/every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"example": example(), "starter": starter, "every key": every} {
		v, err := asJSON(t, text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// beyondSchema are the rules that a schema cannot tell, since they need more than one key, a file or arithmetic.
// Whatever else Parse refuses, the schema must refuse too.
func beyondSchema() []string {
	return []string{
		"anchor-alias", "bidi", "bom", "check-name-reserved", "check-name-twice", "confirm-within", "crlf",
		"check-name-service", "dns-roots-without-tls", "dns-search", "dns-server-https-port", "dns-server-tls-port",
		"dns-trust-anchor", "ldap-plain", "ldaps-discover-address", "ldaps-entries-order", "ldaps-sasl-and-bind",
		"ldaps-starttls-twice", "service-log", "tls-alpn-http", "tls-http-status-reversed", "tls-source-family",
		"tls-source-family-of-defaults", "tls-source-family-of-proxy", "tls-source-unspecified",
		"dns-expect", "dns-query-address", "dns-query-name", "dns-server-twice", "duplicate-key", "duration-short",
		"credential-escapes", "directive", "egress-name-twice", "egress-to", "empty", "expiry-order", "explicit-key",
		"from-any-and-more",
		"from-everybody", "from-garbage", "from-host-bits", "from-mapped", "from-multicast", "from-prefix-length",
		"history-keep", "long-line",
		"interval-under-default-timeout", "invisible", "ldaps-base", "ldaps-filter", "merge-key",
		"name-twice", "no-management", "no-management-empty", "nul", "only-comments", "path-same", "path-too-long",
		"path-variable", "port-range-reversed", "port-too-large", "port-zero", "syslog-ca-without-tls", "syslog-port",
		"tab", "tag", "text-has-lines", "timeout-not-shorter", "timeout-of-defaults", "tls-address-octets", "two-documents",
		"utf8", "utf16", "waiver-date", "waiver-twice", "waiver-unknown-check",
	}
}

func TestSchemaRefusesInvalidFiles(t *testing.T) {
	s := validator(t)
	beyond := map[string]bool{}
	for _, name := range beyondSchema() {
		beyond[name] = true
	}
	refused := 0
	for _, path := range invalidFiles(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		if beyond[name] || strings.HasPrefix(name, "yaml-") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		v, err := asJSON(t, text)
		if err != nil {
			continue // no editor gets as far as the schema
		}
		refused++
		if err := s.Validate(v); err == nil {
			t.Errorf("%s: the schema accepts what Parse refuses", name)
		}
	}
	if refused < 40 {
		t.Errorf("only %d files were refused", refused)
	}
}

// TestSchemaDescribesEveryKey holds that no key is without a description, and that those the example shows with a value
// of their own, or that Parse fills in, say so.
func TestSchemaDescribesEveryKey(t *testing.T) {
	var walk func(path string, s *schema)
	walk = func(path string, s *schema) {
		for name, p := range s.Properties {
			if p.Description == "" || !strings.HasSuffix(p.Description, ".") {
				t.Errorf("%s.%s has no sentence: %q", path, name, p.Description)
			}
			walk(path+"."+name, p)
		}
		if len(s.order) != len(s.Properties) {
			t.Errorf("%s: %d keys in order, %d in all: a name stands twice", path, len(s.order), len(s.Properties))
		}
		if s.Items != nil {
			walk(path+"[]", s.Items)
		}
	}
	root := fileForm().schema
	walk("", &root)
}

// TestDefaultsOfTheSchemaAreInForce holds that a file that writes out all defaults means the same as one that does not.
func TestDefaultsOfTheSchemaAreInForce(t *testing.T) {
	var schema struct {
		Properties map[string]struct {
			Properties map[string]struct {
				Default    json.RawMessage
				Properties map[string]struct{ Default json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	written := schema.Properties["checks"].Properties["defaults"].Properties
	for name, want := range map[string]string{
		"interval": `"30s"`, "timeout": `"5s"`, "fail_after": "2", "recover_after": "1", "expiry_warn": `"21d"`,
		"expiry_fail": `"7d"`, "revocation": `"soft"`, "like": "", "source": "", "interface": "", "proxy": "",
	} {
		if got := string(written[name].Default); got != want {
			t.Errorf("checks.defaults.%s: %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"mode": `"enforce"`, "ownership": `"auto"`, "ping": "true", "forward": `"drop"`, "confirm_within": `"60s"`,
	} {
		if got := string(schema.Properties["firewall"].Properties[name].Default); got != want {
			t.Errorf("firewall.%s: %s, want %s", name, got, want)
		}
	}
}

// plainTree is a node with its mappings, as maps of key to value.
func plainTree(n ast.Node) any {
	switch n := n.(type) {
	case *ast.MappingNode:
		m := map[string]any{}
		for _, v := range n.Values {
			m[v.Key.GetToken().Value] = plainTree(v.Value)
		}
		return m
	case *ast.SequenceNode:
		all := make([]any, len(n.Values))
		for i, v := range n.Values {
			all[i] = plainTree(v)
		}
		return all
	default:
		return n
	}
}

// mark marks which keys of the schema a value has; a key counts when any entry of a list has it.
func mark(s *schema, v any, path string, seen map[string]bool) {
	m, _ := v.(map[string]any)
	for name, p := range s.Properties {
		value, given := m[name]
		at := path + "." + name
		seen[at] = seen[at] || given
		mark(p, value, at, seen)
	}
	if all, isList := v.([]any); isList && s.Items != nil {
		for _, item := range all {
			mark(s.Items, item, path+"[]", seen)
		}
	}
}
