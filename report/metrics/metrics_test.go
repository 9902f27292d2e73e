package metrics

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"sallyport/check"
	"sallyport/report"
	"sallyport/report/internal/golden"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

const forged = "x\"} 1\nprobe_success{check=\"forged\"} 1\u202e\xff\\"

// evidence is like that of a TLS check.
type evidence struct {
	Version      string        `json:"version"`
	Certificates []certificate `json:"certificates"`
	Others       []evidence    `json:"others,omitempty"`
}

type certificate struct {
	Subject  string    `json:"subject"`
	NotAfter time.Time `json:"not_after"`
}

func expired() check.Result {
	return check.Result{
		Check: "code42-console", Kind: check.KindTLS, Target: "console.us.code42.com:443",
		Status: check.Fail, Cause: check.CertExpired, Layer: check.LayerCertificate, Detail: forged, Remedy: forged,
		Time: noon, Duration: 41800 * time.Microsecond,
		Endpoints: []check.Endpoint{
			{Address: "192.0.2.1:443", Phases: []check.Phase{
				{Name: "dns", Duration: time.Millisecond}, {Name: "connect", Duration: 8 * time.Millisecond},
				{Name: "tls", Duration: 20 * time.Millisecond},
			}},
			{Address: "192.0.2.2:443", Phases: []check.Phase{
				{Name: "dns", Duration: time.Millisecond}, {Name: "connect", Duration: 9 * time.Millisecond},
			}},
		},
		Evidence: evidence{Version: "TLS 1.3", Certificates: []certificate{
			{Subject: forged, NotAfter: noon.Add(time.Hour)}, {NotAfter: noon.Add(-24 * time.Hour)},
		}},
	}
}

func resolved() check.Result {
	return check.Result{
		Check: "resolver", Kind: check.KindDNS, Target: "console.us.code42.com A", Status: check.OK,
		Time: noon, Duration: 1500 * time.Microsecond,
		Endpoints: []check.Endpoint{
			{Address: "10.0.0.53:53", Phases: []check.Phase{{Name: "dns", Duration: 1400 * time.Microsecond}}},
		},
	}
}

func skipped() check.Result {
	return check.Result{
		Check: "directory", Kind: check.KindLDAPS, Target: "ldaps://dc1.corp.example:636",
		Status: check.Skipped, Cause: check.DNSTimeout, Time: noon,
	}
}

type fakeSink struct {
	since   time.Time
	dropped uint64
}

func (s fakeSink) Down() (time.Time, uint64, error) { return s.since, s.dropped, errors.New(forged) }

// everything has a series of each family.
func everything() *Metrics {
	m := New("1.2.3")
	m.Result(resolved())
	m.Result(expired())
	m.Transition(check.Transition{Check: "code42-console", From: check.Unknown, To: check.OK, Result: expired()})
	m.Transition(check.Transition{Check: "code42-console", From: check.OK, To: check.Fail, Result: expired()})
	m.Result(skipped())
	m.SetFirewall(&Firewall{InForce: true, Repairs: 2, Counters: []Counter{
		{"drop-input", 17, 1020}, {"drop-forward", 0, 0}, {"drop-input", 1, 1},
	}, Knocking: &Knocking{IPv4: 41, IPv6: 2}, Refused: 3})
	m.SetSinks(map[string]Sink{
		"unix:///dev/log": fakeSink{}, "tcp://10.0.0.9:514": fakeSink{since: noon, dropped: 5},
	})
	return m
}

// exposition is what a scrape of our own series shows.
func exposition(t *testing.T, m *Metrics) string {
	t.Helper()
	families, err := m.ours.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return strings.ReplaceAll(b.String(), goVersion(), "GOVERSION")
}

func TestExposition(t *testing.T) { golden.Compare(t, "everything.prom", exposition(t, everything())) }

func TestNothingKnown(t *testing.T) { golden.Compare(t, "nothing.prom", exposition(t, New("1.2.3"))) }

// lines are the series of a name.
func lines(t *testing.T, m *Metrics, name string) []string {
	t.Helper()
	var found []string
	for line := range strings.Lines(exposition(t, m)) {
		if strings.HasPrefix(line, name+"{") || strings.HasPrefix(line, name+" ") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func TestOneStatusForEachCheck(t *testing.T) {
	m := New("")
	r := expired()
	for _, tt := range []struct {
		status check.Status
		cause  check.Cause
		want   string
	}{
		{check.Fail, check.CertExpired, `{cause="cert.expired",check="code42-console",kind="tls"} 2`},
		{check.Fail, check.ConnectReset, `{cause="connect.reset",check="code42-console",kind="tls"} 2`},
		{check.Warn, check.CertExpiring, `{cause="cert.expiring",check="code42-console",kind="tls"} 1`},
		{check.OK, "", `{cause="",check="code42-console",kind="tls"} 0`},
		{check.Unknown, check.Internal, `{cause="internal",check="code42-console",kind="tls"} 3`},
		{check.Status(99), "", `{cause="",check="code42-console",kind="tls"} 3`},
	} {
		r.Status, r.Cause = tt.status, tt.cause
		m.Result(r)
		want := []string{"sallyport_check_status" + tt.want}
		if diff := cmp.Diff(want, lines(t, m, "sallyport_check_status")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestProbeSuccess(t *testing.T) {
	for status, want := range map[check.Status][]string{
		check.OK: {"1"}, check.Warn: {"1"}, check.Fail: {"0"}, check.Unknown: {"0"}, check.Skipped: nil, check.Waived: nil,
	} {
		m, r := New(""), resolved()
		r.Status = status
		m.Result(r)
		var got []string
		for _, line := range lines(t, m, "probe_success") {
			got = append(got, line[len(line)-1:])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: probe_success %v, want %v", status, got, want)
		}
	}
}

func TestRetain(t *testing.T) {
	m := everything()
	m.Retain([]string{"resolver", "later"})
	for _, r := range []check.Result{expired(), skipped()} { // late ones
		m.Result(r)
		m.Transition(check.Transition{Check: r.Check, To: r.Status, Result: r})
	}
	text := exposition(t, m)
	if strings.Contains(text, `check="code42-console"`) || strings.Contains(text, `check="directory"`) {
		t.Errorf("a series of a removed check is left:\n%s", text)
	}
	r := resolved()
	r.Check = "later"
	m.Result(r)
	m.Result(resolved())
	want := []string{
		`sallyport_check_runs_total{check="later",kind="dns",status="ok"} 1`,
		`sallyport_check_runs_total{check="resolver",kind="dns",status="ok"} 2`,
	}
	never := func(line string) bool { return strings.HasSuffix(line, " 0") }
	got := slices.DeleteFunc(lines(t, m, "sallyport_check_runs_total"), never)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestCardinality holds that what servers say makes no series: ten thousand results of one check, each with other
// addresses, details and causes, leave as many series as one.
func TestCardinality(t *testing.T) {
	m := New("")
	m.Result(expired())
	before := strings.Count(exposition(t, m), "\n")
	r := expired()
	for i := range 10000 {
		r.Cause = check.Cause(strings.Repeat("c", i%40))
		r.Detail = strings.Repeat("d", i%100)
		r.Endpoints[0].Address = strings.Repeat("a", i%100)
		m.Result(r)
	}
	if after := strings.Count(exposition(t, m), "\n"); after != before {
		t.Errorf("%d lines, before %d", after, before)
	}
	for i := range 1000 {
		r.Endpoints[0].Phases = append(r.Endpoints[0].Phases, check.Phase{Name: strings.Repeat("p", i)})
	}
	m.Result(r)
	if n := len(lines(t, m, "sallyport_check_phase_duration_seconds")); n != maxPhases {
		t.Errorf("%d phases, want %d", n, maxPhases)
	}
}

// TestHostileLabels holds that a label can neither end early nor break the format, even where a configuration holds
// strange names.
func TestHostileLabels(t *testing.T) {
	m := New(forged)
	r := expired()
	r.Check, r.Kind, r.Target, r.Cause = forged, forged, forged, forged
	r.Endpoints[0].Phases[0].Name = forged
	m.Result(r)
	m.Transition(check.Transition{Check: forged, To: check.Fail, Result: r})
	m.SetSinks(map[string]Sink{forged: fakeSink{}})
	m.SetFirewall(&Firewall{Counters: []Counter{{Name: forged}}})
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(exposition(t, m)))
	if err != nil {
		t.Fatal(err)
	}
	series := families["probe_success"].GetMetric()
	if len(series) != 1 {
		t.Fatalf("%d series of probe_success, want 1", len(series))
	}
	for _, l := range series[0].GetLabel() {
		if want := report.Printable(forged, maxLabel); l.GetValue() != want {
			t.Errorf("%s is %q, want %q", l.GetName(), l.GetValue(), want)
		}
	}
}

type speaking struct{ evidence }

func (speaking) TLSVersion() string        { return "TLS 1.2" }
func (speaking) EarliestExpiry() time.Time { return noon.Add(time.Second) }

func TestTLSFacts(t *testing.T) {
	plain := expired().Evidence.(evidence)
	raw, err := json.Marshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	other := plain
	other.Version = ""
	other.Certificates = plain.Certificates[:1]
	other.Others = []evidence{{Version: "TLS 1.1", Certificates: []certificate{{NotAfter: noon.Add(time.Minute)}}}}
	first := tlsFacts{"TLS 1.3", noon.Add(-24 * time.Hour)}
	for name, tt := range map[string]struct {
		kind     string
		evidence any
		want     tlsFacts
	}{
		"as it is":                {check.KindTLS, plain, first},
		"a pointer":               {check.KindTLS, &plain, first},
		"crossed a border":        {check.KindLDAPS, json.RawMessage(raw), first},
		"below tls":               {check.KindLDAPS, map[string]any{"tls": plain, "version": 3}, tlsFacts{}},
		"below tls, well":         {check.KindLDAPS, map[string]any{"tls": plain}, first},
		"by its methods":          {check.KindTLS, speaking{plain}, tlsFacts{"TLS 1.2", noon.Add(time.Second)}},
		"another chain elsewhere": {check.KindTLS, other, tlsFacts{"TLS 1.1", noon.Add(time.Minute)}},
		"of another kind":         {check.KindDNS, plain, tlsFacts{}},
		"none":                    {check.KindTLS, nil, tlsFacts{}},
		"no handshake":            {check.KindTLS, evidence{}, tlsFacts{}},
		"not JSON":                {check.KindTLS, json.RawMessage("{"), tlsFacts{}},
		"not encodable":           {check.KindTLS, func() {}, tlsFacts{}},
		"another shape":           {check.KindTLS, []int{1}, tlsFacts{}},
	} {
		got := tlsFactsOf(check.Result{Kind: tt.kind, Evidence: tt.evidence})
		if got.version != tt.want.version || !got.expiry.Equal(tt.want.expiry) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestStatusesAreAll(t *testing.T) {
	if !slices.Equal(statuses[:], check.Statuses()) {
		t.Errorf("%v, want %v", statuses, check.Statuses())
	}
}

func TestFirewallNotKnown(t *testing.T) {
	m := everything()
	m.SetFirewall(nil)
	if text := exposition(t, m); strings.Contains(text, "sallyport_firewall") {
		t.Errorf("%s", text)
	}
}

// TestPromtool holds the names and types against Prometheus's own opinion.
func TestPromtool(t *testing.T) {
	program, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
			t.Fatal(err)
		}
		t.Skip("no promtool")
	}
	cmd := exec.CommandContext(t.Context(), program, "check", "metrics")
	cmd.Stdin = strings.NewReader(exposition(t, everything()))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestManyAtOnce(t *testing.T) {
	m := everything()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				m.Result(expired())
				m.Transition(check.Transition{Check: "resolver", To: check.OK, Result: resolved()})
				m.Retain([]string{"resolver", "code42-console"})
				m.SetFirewall(&Firewall{Counters: []Counter{{Name: "a"}}})
				m.SetSinks(map[string]Sink{"s": fakeSink{}})
			}
		})
		wg.Go(func() {
			for range 20 {
				if _, err := m.ours.Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
