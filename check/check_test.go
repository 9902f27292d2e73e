package check_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/check"
)

func TestZeroStatusIsUnknown(t *testing.T) {
	var r check.Result
	if r.Status != check.Unknown || r.Status.ExitCode() != 3 || !r.Bad() {
		t.Errorf("a result nobody filled in reads as %v (exit %d, bad %v)", r.Status, r.Status.ExitCode(), r.Bad())
	}
}

func TestStatusText(t *testing.T) {
	for _, s := range append(check.Statuses(), check.Unknown) {
		text, err := s.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back check.Status
		if err := back.UnmarshalText(text); err != nil || back != s {
			t.Errorf("%v came back as %v (%v)", s, back, err)
		}
	}
	var s check.Status
	if err := s.UnmarshalText([]byte("fine")); err == nil || !strings.Contains(err.Error(), `"fine" is not a status`) {
		t.Errorf("err = %v", err)
	}
	if got := check.Status(200).String(); got != "unknown" {
		t.Errorf("a status out of range reads %q", got)
	}
}

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		in   []check.Status
		want check.Status
	}{
		{nil, check.Unknown},
		{[]check.Status{check.OK, check.Skipped}, check.OK},
		{[]check.Status{check.Skipped, check.Waived}, check.Skipped},
		{[]check.Status{check.OK, check.Warn}, check.Warn},
		{[]check.Status{check.Warn, check.Unknown, check.OK}, check.Unknown},
		{[]check.Status{check.Unknown, check.Fail}, check.Fail},
	} {
		if got := check.Worst(c.in...); got != c.want {
			t.Errorf("Worst(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestLayers(t *testing.T) {
	for cause, want := range map[check.Cause]check.Layer{
		"":                                      "",
		check.CertExpired:                       check.LayerCertificate,
		check.TLSNotTLS:                         check.LayerTLS,
		check.UnknownIn(check.LayerLDAP):        check.LayerLDAP,
		check.SinkDown:                          check.LayerSallyport,
		check.Internal:                          check.LayerSallyport,
		check.Cause("posture.least.remote"):     check.LayerPosture,
		check.FirewallDrift:                     check.LayerFirewall,
		check.UnknownIn(check.LayerConnect):     check.LayerConnect,
		check.Cause("unknown." + "made-up-one"): "made-up-one",
	} {
		if got := cause.Layer(); got != want {
			t.Errorf("%q is of layer %q, want %q", cause, got, want)
		}
	}
}

func TestCausesAreUnique(t *testing.T) {
	seen := map[check.Cause]bool{}
	for _, c := range check.Causes() {
		if seen[c] {
			t.Errorf("%s is listed twice", c)
		}
		seen[c] = true
	}
	if len(seen) < 99 {
		t.Errorf("only %d causes", len(seen))
	}
}

func TestResultJSON(t *testing.T) {
	c := check.Check{Name: "code42-console", Kind: check.KindTLS, Target: "console.us.code42.com:443"}
	r := c.Complete(check.Result{
		Status: check.Fail, Cause: check.CertExpired, Detail: "expired 3 days ago", Remedy: "renew it",
		Endpoints: []check.Endpoint{{
			Address: "203.0.113.7:443", Status: check.Fail, Cause: check.CertExpired,
			Phases: []check.Phase{
				{Name: "connect", Duration: 8 * time.Millisecond}, {Name: "tls", Duration: 21500 * time.Microsecond},
			},
		}},
		Evidence: map[string]int{"certificates": 2},
	}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 41800*time.Microsecond)

	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"check":"code42-console","kind":"tls","target":"console.us.code42.com:443","status":"fail",` +
		`"cause":"cert.expired","layer":"certificate","detail":"expired 3 days ago","remedy":"renew it",` +
		`"time":"2026-01-02T03:04:05Z","duration_ms":41.8,"endpoints":[{"address":"203.0.113.7:443","status":"fail",` +
		`"cause":"cert.expired","phases_ms":{"connect":8,"tls":21.5}}],"evidence":{"certificates":2}}`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	var back check.Result
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	r.Evidence = json.RawMessage(`{"certificates":2}`)
	if diff := cmp.Diff(r, back); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
}

func TestSkipNamesWhatFailed(t *testing.T) {
	r := check.Check{Name: "tls", Kind: check.KindTLS}.Skip("resolver", time.Now())
	if r.Status != check.Skipped || r.Bad() || r.After != "resolver" || !strings.Contains(r.Detail, "resolver") {
		t.Errorf("skip = %+v", r)
	}
}
