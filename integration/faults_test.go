package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/integration/lab"
)

// TestFaults has the binary meet every cause that one run can bring about, each by a real server, filter or route, in one
// configuration: it must tell each in JSON, as text and in the metrics, and explain it.
func TestFaults(t *testing.T) {
	r := newFaultRig(t)
	rows := faultRows()
	if err := r.Write(r.configuration(rows)); err != nil {
		t.Fatal(err)
	}
	first := r.says(true)
	t.Run("told", func(t *testing.T) {
		for _, row := range rows {
			first.tells(t, row)
		}
	})
	t.Run("23 told apart by metrics", func(t *testing.T) { first.apart(t, rows) })
	if err := os.WriteFile(filepath.Join(r.Dir, "resolv.conf"), []byte("# none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("told later", func(t *testing.T) {
		var names []string
		for _, row := range laterRows() {
			names = append(names, row.name)
		}
		again := r.says(false, names...)
		for _, row := range laterRows() {
			again.tells(t, row)
		}
	})
	t.Run("explained", func(t *testing.T) { r.explains(t, append(rows, laterRows()...)) })
}

// reported is what the binary says of the checks in each form.
type reported struct {
	json   lab.Report
	text   string
	series map[string]string // of sallyport_check_status by check: kind, value and cause
}

// says is what the checks report in each form, each time anew: what is remembered of passwords that were refused is
// forgotten before each run, unless that is what is looked for.
func (r *faultRig) says(forget bool, names ...string) reported {
	r.t.Helper()
	in := func(form string) string {
		if forget {
			if err := os.RemoveAll(filepath.Join(r.Dir, "sallyport/state/memory")); err != nil {
				r.t.Fatal(err)
			}
		}
		return r.must(2, "check", append([]string{"-o", form}, names...)...).Stdout
	}
	told := reported{text: in("text"), series: map[string]string{}}
	if said := in("json"); json.Unmarshal([]byte(said), &told.json) != nil {
		r.t.Fatal(said)
	}
	line := regexp.MustCompile(`(?m)^sallyport_check_status{cause="([^"]*)",check="([^"]*)",kind="([^"]*)"} (\d)$`)
	for _, m := range line.FindAllStringSubmatch(in("prometheus"), -1) {
		told.series[m[2]] = fmt.Sprintf("%s %s %s", m[3], m[4], m[1])
	}
	return told
}

// explains wants a page for each cause.
func (r *faultRig) explains(t *testing.T, rows []faultRow) {
	t.Helper()
	seen := map[check.Cause]bool{"": true}
	for _, row := range rows {
		if seen[row.cause] {
			continue
		}
		seen[row.cause] = true
		got, err := r.Host.Run(within(t, 10*time.Second), r.Binary, "explain", string(row.cause))
		if err != nil || got.Code != 0 || !strings.HasPrefix(got.Stdout, "# "+string(row.cause)+" — ") {
			t.Errorf("explain %s: %v, exit code %d: %s%s", row.cause, err, got.Code, got.Stdout, got.Stderr)
		}
	}
}

// tells wants a row's cause in each form.
func (r reported) tells(t *testing.T, row faultRow) {
	t.Helper()
	got := r.json.Of(row.name)
	if got.Status != row.status || got.Cause != string(row.cause) {
		t.Errorf("%s is %s %s, want %s %s: %s", row.name, got.Status, got.Cause, row.status, row.cause, got.Detail)
		return
	}
	if got.Layer != string(row.cause.Layer()) || row.cause != "" && (got.Detail == "" || got.Remedy == "") {
		t.Errorf("%s: layer %q, detail %q, remedy %q", row.name, got.Layer, got.Detail, got.Remedy)
	}
	value := map[string]string{"ok": "0", "fail": "2"}[row.status]
	if want := got.Kind + " " + value + " " + string(row.cause); r.series[row.name] != want {
		t.Errorf("the metrics say %q of %s, want %q", r.series[row.name], row.name, want)
	}
	line := regexp.MustCompile(`(?m)^\w+ +` + regexp.QuoteMeta(row.name) + ` .*$`).FindString(r.text)
	if !strings.Contains(line, row.status) || !strings.Contains(line, string(row.cause)) {
		t.Errorf("the text says %q of %s, want %s %s", line, row.name, row.status, row.cause)
	}
}

// apart wants each of the 23 faults that tell monitors apart to have labels of its own in the metrics: an alert can then
// be made for it alone.
func (r reported) apart(t *testing.T, rows []faultRow) {
	t.Helper()
	groups, count := map[string]string{}, 0
	for _, row := range rows {
		if row.known == "" {
			continue
		}
		count++
		got := r.series[row.name]
		if other, ok := groups[got]; ok {
			t.Errorf("%s and %s are both %q", row.known, other, got)
		}
		groups[got] = row.known
	}
	if count != 23 || len(groups) != 23 {
		t.Errorf("%d faults in %d groups, want 23 of each", count, len(groups))
	}
}
