package integration_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/docs"
)

// elsewhere are tests that bring causes about by real servers in a way which TestFaults cannot.
func elsewhere() map[check.Cause]struct{ folder, test string } {
	return map[check.Cause]struct{ folder, test string }{
		check.CertChanged: {".", "TestCertificateChanged"},
		check.CertRevoked: {"../netcheck", "TestRevocationByStaple"},
	}
}

// TestEveryCauseIsMade holds that each cause of the checks is brought about by a real server, filter, route or clock: by a
// row of TestFaults, or by a test that is named here and exists. A cause that the product does not report, as its page then
// says, has none.
func TestEveryCauseIsMade(t *testing.T) {
	layers := []check.Layer{check.LayerDNS, check.LayerConnect, check.LayerProxy, check.LayerTLS, check.LayerCertificate,
		check.LayerClock, check.LayerHTTP, check.LayerLDAP}
	made := map[check.Cause]bool{}
	for _, row := range append(faultRows(), laterRows()...) {
		made[row.cause] = true
	}
	for cause, by := range elsewhere() {
		if made[cause] {
			t.Errorf("%s is made by TestFaults: take it off the list", cause)
		}
		if !slices.Contains(testsOf(t, by.folder), by.test) {
			t.Errorf("there is no %s in %s, which should bring about %s", by.test, by.folder, cause)
		}
		made[cause] = true
	}
	for _, cause := range check.Causes() {
		page, _ := docs.Explain(string(cause))
		reported := !strings.Contains(page, "\nThis version of Sallyport does not report it.\n")
		if slices.Contains(layers, cause.Layer()) && reported && !made[cause] {
			t.Errorf("nothing brings about %s", cause)
		}
	}
}

// testsOf are the names of the tests in a folder.
func testsOf(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}
