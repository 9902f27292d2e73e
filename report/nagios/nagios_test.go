package nagios

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"sallyport/check"
	"sallyport/report/document"
)

var update = flag.Bool("update", false, "write the golden files anew")

// line is one line of output by the guidelines, its performance data in the second group.
var line = regexp.MustCompile(`^SALLYPORT (?:OK|WARNING|CRITICAL|UNKNOWN) - ([^|\n]+) \| ([^|\n]+)\n$`)

// datum is one item of performance data: a label, a value with its unit, and the four bounds.
var datum = regexp.MustCompile(`(?:'[^'=]+'|[^'= ]+)=[0-9.]+(?:ms)?;[0-9.]*;[0-9.]*;[0-9.]*;[0-9.]*(?: |$)`)

func TestGolden(t *testing.T) {
	for golden, name := range map[string]string{
		"sample.txt": "sample.json", "status.txt": "status.json", "empty.txt": "empty.json",
	} {
		t.Run(golden, func(t *testing.T) {
			got := written(t, sample(t, name))
			path := filepath.Join("testdata", golden)
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
				t.Errorf("%s differs. Got:\n%s", path, got)
			}
		})
	}
}

// written is the output, held against the guidelines.
func written(t *testing.T, d document.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	parts := line.FindStringSubmatch(b.String())
	if parts == nil {
		t.Fatalf("no line of a plugin: %s", &b)
	}
	if len(parts[1]) > maxText {
		t.Errorf("%d bytes of text", len(parts[1]))
	}
	if rest := strings.TrimSpace(datum.ReplaceAllString(parts[2], "")); rest != "" {
		t.Errorf("no performance data: %s", rest)
	}
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		if !unicode.IsPrint(r) {
			t.Errorf("%U stands in the output as it is", r)
		}
	}
	return b.String()
}

func sample(t *testing.T, name string) document.Document {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "document", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	d, err := document.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestHostileNames: what a name or a detail holds, it neither ends the text nor the label.
func TestHostileNames(t *testing.T) {
	var results []check.Result
	for _, name := range []string{"a|b", "a'b='c", "ok", "x\ny", "\u202e", strings.Repeat("long ", 500)} {
		results = append(results, check.Result{
			Check: name, Status: check.Fail, Cause: check.CertExpired, Detail: name,
			Duration: 2345 * time.Second,
		})
	}
	got := written(t, document.New("v", "h", time.Unix(0, 0), results))
	for _, want := range []string{"'a_b'=", "'a_b__c'=", "'ok_time'=", `'x\ny'=`} {
		if !strings.Contains(got, want) {
			t.Errorf("no label %s in %s", want, got)
		}
	}
}

func TestWords(t *testing.T) {
	for s, want := range map[check.Status]string{
		check.OK: "OK", check.Warn: "WARNING", check.Fail: "CRITICAL", check.Unknown: "UNKNOWN",
		check.Skipped: "OK", check.Waived: "OK",
	} {
		if got := word(s); got != want {
			t.Errorf("%s is %s, want %s", s, got, want)
		}
	}
}
