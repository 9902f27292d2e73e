package main

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/netcheck"
	"sallyport/netcheck/service"
	root "sallyport/report/verdict"
)

// TestEvidenceIsDescribed holds that docs/evidence.md has each key that the evidence of a kind has, and no other.
func TestEvidenceIsDescribed(t *testing.T) {
	page, err := os.ReadFile("../../docs/evidence.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string][]any{
		"dns":     {netcheck.DNSEvidence{}},
		"tls":     {netcheck.TLSEvidence{}, netcheck.UnreachedEvidence{}},
		"ldaps":   {netcheck.LDAPSEvidence{}},
		"service": {service.Evidence{}},
		"verdict": {root.Verdict{}},
	}
	sections := map[string]string{}
	for section := range strings.SplitSeq(string(page), "\n## `") {
		if kind, text, ok := strings.Cut(section, "`\n"); ok {
			sections[kind] = text
		}
	}
	for kind, values := range kinds {
		keys := map[string]bool{}
		for _, v := range values {
			collectKeys(reflect.TypeOf(v), kind, keys, map[reflect.Type]bool{})
		}
		described := map[string]bool{}
		for line := range strings.Lines(sections[kind]) {
			if rest, ok := strings.CutPrefix(line, "- `"); ok {
				key, _, _ := strings.Cut(rest, "`")
				described[key] = true
			}
		}
		for key := range keys {
			if !described[key] {
				t.Errorf("%s: %s is not described", kind, key)
			}
		}
		for key := range described {
			if !keys[key] {
				t.Errorf("%s: there is no %s", kind, key)
			}
		}
	}
}

// collectKeys adds the JSON keys of a type and of what it holds, but for the evidence of another kind.
func collectKeys(of reflect.Type, kind string, keys map[string]bool, seen map[reflect.Type]bool) {
	for slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map}, of.Kind()) {
		of = of.Elem()
	}
	another := kind == "ldaps" && of == reflect.TypeFor[netcheck.TLSEvidence]()
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || seen[of] || another {
		return
	}
	seen[of] = true
	for field := range of.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if key != "" && key != "-" {
			keys[key] = true
		}
		if field.IsExported() || field.Anonymous {
			collectKeys(field.Type, kind, keys, seen)
		}
	}
}
