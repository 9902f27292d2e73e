package golden

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "write the golden files anew") //nolint:gochecknoglobals // a test's flag

// Compare fails the test where got is not what the file of that name in testdata holds. With -update the file is
// written first: look at the difference with git diff.
func Compare(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; see how with go test -update and git diff. Got:\n%s", path, got)
	}
}

// Shown fails the test for each character, line ends aside, that a terminal or an editor obeys instead of showing it.
func Shown(t testing.TB, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%U stands in the output as it is", r)
		}
	}
}
