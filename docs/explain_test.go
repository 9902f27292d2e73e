package docs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sallyport/check"
)

// TestEveryCauseHasItsPage holds it both ways: no cause without a page, no page without a cause.
func TestEveryCauseHasItsPage(t *testing.T) {
	want := []string{unknown}
	for _, c := range check.Causes() {
		want = append(want, string(c))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, Codes()); diff != "" {
		t.Errorf("-causes +pages:\n%s", diff)
	}
}

var (
	sections = regexp.MustCompile(`(?m)^## .*$`)
	command  = regexp.MustCompile("(?s)\n## See it by hand\n\n```sh\n(.+?)\n```\n")
	title    = regexp.MustCompile(`^# (\S+) — (.+)\n\n## `)
)

func TestPagesHaveOneShape(t *testing.T) {
	for _, code := range Codes() {
		t.Run(code, func(t *testing.T) {
			page, ok := Explain(code)
			if !ok {
				t.Fatal("no page")
			}
			head := title.FindStringSubmatch(page)
			if head == nil || head[1] != code || strings.HasSuffix(head[2], ".") {
				t.Errorf("it does not begin with the code and one line: %q", page[:40])
			}
			want := []string{"## What it means", "## See it by hand", "## What mends it"}
			if diff := cmp.Diff(want, sections.FindAllString(page, -1)); diff != "" {
				t.Errorf("sections (-want +got):\n%s", diff)
			}
			if command.FindString(page) == "" {
				t.Error("no command to see it by hand")
			}
			_, mends, _ := strings.Cut(page, "## What mends it\n\n")
			if !strings.HasPrefix(mends, "- ") {
				t.Error("nothing that mends it")
			}
			if n := strings.Count(page, "\n"); n < 12 || n > 30 {
				t.Errorf("%d lines: it should be read at a glance", n)
			}
			wellSet(t, page)
		})
	}
}

// wellSet holds what a terminal of 120 columns, and copying from it, ask for. Commands may be longer.
func wellSet(t *testing.T, page string) {
	t.Helper()
	prose := command.ReplaceAllString(page, "\n")
	for line := range strings.Lines(prose) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 120 {
			t.Errorf("a line is longer than 120 columns: %q", line)
		}
		if strings.HasSuffix(line, " \n") {
			t.Errorf("a line ends in a space: %q", line)
		}
	}
	for _, r := range page {
		if r != '\n' && r != '—' && (r > unicode.MaxASCII || !unicode.IsPrint(r)) {
			t.Errorf("%q does not copy well", r)
		}
	}
	if !strings.HasSuffix(page, "\n") || strings.HasSuffix(page, "\n\n") {
		t.Error("it must end with one newline")
	}
}

// TestPagesNameOnlyCauses holds that a page sends the reader to pages that exist.
func TestPagesNameOnlyCauses(t *testing.T) {
	reference := regexp.MustCompile(`\bsee ([a-z]+\.[a-z-]+[a-z])`)
	for _, code := range Codes() {
		page, _ := Explain(code)
		for _, m := range reference.FindAllStringSubmatch(strings.ReplaceAll(page, "\n", " "), -1) {
			if _, ok := Explain(m[1]); !ok {
				t.Errorf("%s sends to %s, which has no page", code, m[1])
			}
		}
	}
}

// notYet stands on the page of a cause that this version knows the word for and never reports.
const notYet = "\nThis version of Sallyport does not report it.\n"

// TestPagesSayWhatIsNotReported holds it both ways: a reader must neither wait for a cause that cannot come, nor read
// that one which came cannot.
func TestPagesSayWhatIsNotReported(t *testing.T) {
	used := usedOfCheck(t)
	for name, code := range constants(t) {
		page, _ := Explain(code)
		reported := used[name]
		if says := strings.Contains(page, notYet); says == reported {
			t.Errorf("%s: reported %v, but its page says otherwise", code, reported)
		}
	}
}

// constants are the names of the causes in package check, with their codes.
func constants(t *testing.T) map[string]string {
	t.Helper()
	declared, err := os.ReadFile("../check/cause.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+) +Cause = "(.+)"`).FindAllStringSubmatch(string(declared), -1) {
		names[m[1]] = m[2]
	}
	if len(names) != len(check.Causes()) {
		t.Fatalf("%d constants of %d causes", len(names), len(check.Causes()))
	}
	return names
}

// usedOfCheck is what the product's code names of package check; the lab and tests do not count.
func usedOfCheck(t *testing.T) map[string]bool {
	t.Helper()
	name := regexp.MustCompile(`\bcheck\.(\w+)`)
	used := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // another's file for a moment
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{"../check", "../integration", "../.git"}, path):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		code, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		for _, m := range name.FindAllSubmatch(code, -1) {
			used[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return used
}

// TestPagesNameWhatThereIs: a page of what this version reports sends nobody to a unit or a command that it lacks.
func TestPagesNameWhatThereIs(t *testing.T) {
	absent := regexp.MustCompile(
		`sallyport-(guard|probe)|sallyport (posture|report|bundle|man)\b`)
	for _, code := range Codes() {
		page, _ := Explain(code)
		if word := absent.FindString(page); word != "" && !strings.Contains(page, notYet) {
			t.Errorf("%s names %q", code, word)
		}
	}
}

func TestExplain(t *testing.T) {
	for code, want := range map[string]string{
		"cert.expired":                "# cert.expired — ",
		string(check.SinkDown):        "# sink.down — ",
		"unknown":                     "# unknown — ",
		"unknown.dns":                 "# unknown — ",
		"unknown.":                    "",
		"cert":                        "",
		"":                            "",
		"*":                           "",
		"../causes/cert.expired":      "",
		"cert.expired.md":             "",
		"nothing.of-the-kind\x00\xff": "",
	} {
		page, ok := Explain(code)
		if ok != (want != "") || !strings.HasPrefix(page, want) {
			t.Errorf("Explain(%q) = %.40q, %v", code, page, ok)
		}
	}
	for _, layer := range []check.Layer{check.LayerDNS, check.LayerCertificate, check.LayerPosture} {
		if _, ok := Explain(string(check.UnknownIn(layer))); !ok {
			t.Errorf("no page for %s", check.UnknownIn(layer))
		}
	}
}
