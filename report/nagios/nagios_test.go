package nagios

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/report/document"
	"sallyport/report/document/documenttest"
	"sallyport/report/internal/golden"
)

// line is one line of output by the guidelines, its performance data in the second group.
var line = regexp.MustCompile(`^SALLYPORT (?:OK|WARNING|CRITICAL|UNKNOWN) - ([^|\n]+) \| ([^|\n]+)\n$`)

// datum is one item of performance data: a label, a value with its unit, and the four bounds.
var datum = regexp.MustCompile(`(?:'[^'=]+'|[^'= ]+)=[0-9.]+(?:ms)?;[0-9.]*;[0-9.]*;[0-9.]*;[0-9.]*(?: |$)`)

func TestGolden(t *testing.T) {
	for file, name := range map[string]string{
		"sample.txt": "sample.json", "status.txt": "status.json", "empty.txt": "empty.json",
	} {
		t.Run(file, func(t *testing.T) { golden.Compare(t, file, written(t, documenttest.Sample(t, name))) })
	}
}

func TestVerdict(t *testing.T) {
	for file, name := range map[string]string{"verdict.txt": "sample.json", "verdict-empty.txt": "empty.json"} {
		golden.Compare(t, file, written(t, documenttest.Sample(t, name).Judged(nil)))
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
	golden.Shown(t, b.String())
	return b.String()
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
