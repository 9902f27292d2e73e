package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/report/internal/golden"
	"sallyport/report/verdict"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// certificates is evidence as a check of kind tls gives it, in small.
type certificates struct {
	Protocol string   `json:"protocol"`
	Names    []string `json:"names"`
}

// results are one of each status; the texts of one are as bad as they could be if a check forgot to escape them.
func results() []check.Result {
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	phases := func(dns, connect, tls float64) []check.Phase {
		return []check.Phase{
			{Name: "dns", Duration: ms(dns)}, {Name: "connect", Duration: ms(connect)}, {Name: "tls", Duration: ms(tls)},
		}
	}
	return []check.Result{
		{
			Check: "resolver", Kind: "dns", Target: "console.us.code42.com A", Status: check.OK,
			Detail: "2 addresses, TTL 60s", Time: at, Duration: ms(1.25),
			Endpoints: []check.Endpoint{{
				Address: "10.0.0.53:53", Status: check.OK,
				Phases: []check.Phase{{Name: "dns", Duration: ms(1.25)}},
			}},
		},
		{
			Check: "code42-console", Kind: "tls", Target: "console.us.code42.com:443", Status: check.Fail,
			Cause: check.CertExpired, Layer: check.LayerCertificate,
			Detail: `the certificate of "console.us.code42.com" expired 3 days ago, at 2025-12-30T00:00:00Z`,
			Remedy: "renew the certificate on the server; see sallyport explain cert.expired",
			Time:   at, Duration: ms(41.8),
			Endpoints: []check.Endpoint{
				{Address: "203.0.113.7:443", Status: check.Fail, Cause: check.CertExpired, Phases: phases(1.2, 8, 21.5)},
				{
					Address: "[2001:db8::7]:443", Status: check.Fail, Cause: check.ConnectTimeout,
					Detail: "no answer to the SYN within 5s", Phases: phases(1.2, 5000, 0)[:2],
				},
			},
			Evidence: certificates{Protocol: "TLS 1.3", Names: []string{"console.us.code42.com", "a\u202eb\u009b\x7f"}},
		},
		{
			Check: "scim", Kind: "tls", Target: "scim.example:443", Status: check.Warn, Cause: check.CertExpiring,
			Layer: check.LayerCertificate, Detail: "the certificate expires in 12 days", Remedy: "renew it",
			Time: at, Duration: ms(33),
		},
		{
			Check: "directory", Kind: "ldaps", Target: "ldaps://dc1.corp.example:636", Status: check.Skipped,
			Detail: "not run: it depends on resolver-ad, which fails", Time: at,
		},
		{
			Check: "resolver-ad", Kind: "dns", Target: "dc1.corp.example A", Status: check.Unknown,
			Cause: check.UnknownIn(check.LayerDNS), Layer: check.LayerDNS,
			Detail: "hostile \x1b[2J\n<0>1 forged ]]> | 'x'=1 \u202etxt & <b>\u009b", Time: at, Duration: ms(2.5),
		},
		{
			Check: "posture.least.remote", Kind: "posture", Target: "sshd", Status: check.Waived,
			Cause: "posture.least.remote", Layer: check.LayerPosture,
			Detail: "root may log in; waived until 2027-03-01: break-glass", Time: at, Duration: ms(7),
		},
	}
}

func items() []Item {
	rs := results()
	since := at.Add(-2*time.Hour - 5*time.Minute)
	untold := &Latest{Status: check.Fail, Cause: check.LDAPTimeout, Detail: "no answer to the bind"}
	rs[4].Status, rs[4].Cause, rs[4].Layer, rs[4].Detail = check.OK, "", "", ""
	return []Item{
		{rs[0], &State{Since: at.Add(-72 * time.Hour), Consecutive: 8640}},
		{rs[1], &State{Since: since, Consecutive: 250}},
		{rs[2], &State{Consecutive: 1}},
		{rs[3], &State{Since: since, Consecutive: 7}},
		{rs[4], &State{Since: since.In(time.FixedZone("", 3600)), Consecutive: 1, Latest: untold}},
	}
}

// TestGolden writes sample.json (as check gives it) and status.json; the tests of the other formats start from both.
func TestGolden(t *testing.T) {
	sample, status := New("1.2.3", "uds01", at, results()), Of("1.2.3", "uds01", at, items())
	for name, write := range map[string]func(*bytes.Buffer) error{
		"sample.json":  func(b *bytes.Buffer) error { return JSON(b, sample) },
		"status.json":  func(b *bytes.Buffer) error { return JSON(b, status) },
		"sample.jsonl": func(b *bytes.Buffer) error { return JSONL(b, sample) },
		"empty.json":   func(b *bytes.Buffer) error { return JSON(b, New("1.2.3", "uds01", at, nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, name, b.String())
			golden.Shown(t, b.String())
		})
	}
}

func TestRoundTrip(t *testing.T) {
	for _, d := range []Document{
		New("1.2.3", "uds01", at, results()), Of("1.2.3", "uds01", at, items()), New("", "", at, nil),
	} {
		var first, second bytes.Buffer
		if err := JSON(&first, d); err != nil {
			t.Fatal(err)
		}
		back, err := Read(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := JSON(&second, back); err != nil {
			t.Fatal(err)
		}
		if first.String() != second.String() {
			t.Errorf("written\n%s\nread and written again\n%s", &first, &second)
		}
		for i := range back.Results { // evidence comes back as raw JSON, and a time in UTC
			back.Results[i].Evidence = d.Results[i].Evidence
			if s := d.Results[i].State; s != nil && !s.Since.IsZero() {
				s.Since = s.Since.UTC()
			}
		}
		if !reflect.DeepEqual(back, d) {
			t.Errorf("read\n%+v\nwant\n%+v", back, d)
		}
	}
}

func TestStatusAndCounts(t *testing.T) {
	sample := New("v", "h", at, results())
	if want := (Counts{1, 1, 1, 1, 1, 1}); sample.Status != check.Fail || sample.Counts != want {
		t.Errorf("got %s, %+v, want fail, one of each", sample.Status, sample.Counts)
	}
	for _, s := range check.Statuses() {
		if sample.Counts.Of(s) != 1 {
			t.Errorf("%d of %s, want 1", sample.Counts.Of(s), s)
		}
	}
	if empty := New("v", "h", at, nil); empty.Status != check.Unknown {
		t.Errorf("nothing at all is %s, want unknown", empty.Status)
	}
	believed := Of("v", "h", at, items())
	if want := (Counts{OK: 2, Warn: 1, Fail: 1, Skipped: 1}); believed.Counts != want {
		t.Errorf("got %+v, want %+v: what is believed counts", believed.Counts, want)
	}
	if got := believed.Results[4].Cause; got != "" {
		t.Errorf("cause %s of a check that is believed to be well", got)
	}
}

// TestJudged: the verdict is a key of its own, goes by what is believed, and asks for the host's network only where
// something is not well. What is believed to be well, but does not look so now, is no witness.
func TestJudged(t *testing.T) {
	asked := 0
	facts := func() verdict.Facts {
		asked++
		return verdict.Facts{}
	}
	sample := New("v", "h", at, results())
	if sample.Verdict != nil {
		t.Error("a document that nobody judged has a verdict")
	}
	got := Of("v", "h", at, items()).Judged(facts).Verdict
	if got.Cause != check.CertExpired || !slices.Equal(got.Unaffected, []string{"resolver"}) || asked != 1 {
		t.Errorf("got %+v, facts asked for %d times", got, asked)
	}
	well := New("v", "h", at, results()[:1]).Judged(facts)
	if well.Verdict.Sentence != "all is well: 1 check" || asked != 1 {
		t.Errorf("got %+v, facts asked for %d times", well.Verdict, asked)
	}
	var b bytes.Buffer
	if err := JSON(&b, sample.Judged(nil)); err != nil {
		t.Fatal(err)
	}
	back, err := Read(&b)
	if err != nil || back.Verdict == nil || back.Verdict.Sentence != sample.Judged(nil).Verdict.Sentence {
		t.Errorf("read back: %+v, %v", back.Verdict, err)
	}
}

func TestReadRefuses(t *testing.T) {
	const advice = "this version reads 1: use the same version of both"
	tests := []struct{ name, text, want string }{
		{"nothing", "", "read document: unexpected end of JSON input"},
		{"another schema", `{"schema": 2}`, "read document: it has schema 2, " + advice},
		{"no document", `{}`, "read document: it has schema 0, " + advice},
		{"a status that is none", `{"schema": 1, "status": "fine"}`, `"fine" is not a status`},
		{"a result that is none", `{"schema": 1, "results": [1]}`, "cannot unmarshal number"},
	}
	for _, tt := range tests {
		if _, err := Read(strings.NewReader(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestEvidenceThatIsNoJSON(t *testing.T) {
	d := New("v", "h", at, []check.Result{{Check: "a", Evidence: func() {}}})
	var unsupported *json.UnsupportedTypeError
	if err := JSON(&bytes.Buffer{}, d); !errors.As(err, &unsupported) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("got %v, want the check's name and what is unsupported", err)
	}
}

// FuzzVisible: whatever text there is, the JSON stays the same value, and shows no character that is obeyed.
func FuzzVisible(f *testing.F) {
	for _, s := range []string{"", "plain", "\u202e", "\u009b\x7f", "\U000e0041x", "東京\u2028", "\xff", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		plain, err := json.Marshal(s)
		if err != nil {
			t.Skip()
		}
		seen := Visible(plain)
		var a, b string
		if err := errors.Join(json.Unmarshal(plain, &a), json.Unmarshal(seen, &b)); err != nil || a != b {
			t.Fatalf("%q became %s (%v)", s, seen, err)
		}
		golden.Shown(t, string(seen))
	})
}
