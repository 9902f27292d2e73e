package netcheck

import (
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
)

// TestClockSkewOfDirectory meets clock.skew with a real slapd that tells its time, as Active Directory does: by dates of
// certificates that its clock contradicts, and with all else well.
func TestClockSkewOfDirectory(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		from   time.Duration // validity of its certificate, from now
		to     time.Duration
		ahead  time.Duration // its clock; zero: it tells none
		status check.Status
		cause  check.Cause
		detail string
	}{
		{"no time told", -9 * oneDay, 90 * oneDay, 0, check.OK, "", ""},
		{"right", -9 * oneDay, 90 * oneDay, time.Second, check.OK, "", ""},
		{"ahead", -9 * oneDay, 90 * oneDay, 20 * time.Minute, check.Warn, check.ClockSkew, "ahead of that of this host"},
		{"behind", -9 * oneDay, 90 * oneDay, -20 * time.Minute, check.Warn, check.ClockSkew, "behind that of this host"},
		{"expired here alone", -90 * oneDay, -9 * oneDay, -30 * oneDay, check.Fail, check.ClockSkew,
			"by it the certificates"},
		{"not yet valid here alone", 9 * oneDay, 90 * oneDay, 30 * oneDay, check.Fail, check.ClockSkew, "is 30 days ahead"},
		{"expired there too", -90 * oneDay, -9 * oneDay, time.Second, check.Fail, check.CertExpired, ""},
		{"expired, and no time told", -90 * oneDay, -9 * oneDay, 0, check.Fail, check.CertExpired, ""},
		{"expired by another wrong clock", -90 * oneDay, -9 * oneDay, 30 * oneDay, check.Fail, check.CertExpired, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			global := ""
			if tt.ahead != 0 {
				root := filepath.Join(t.TempDir(), "root.ldif")
				writeFile(t, root, "dn:\ncurrentTime: "+time.Now().Add(tt.ahead).UTC().Format("20060102150405.0Z")+"\n")
				global = "attributetype ( 1.3.6.1.4.1.99999.1 NAME 'currentTime' " +
					"SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 )\nrootDSE " + root
			}
			s := newDirectoryPKI(t, lasting(tt.from, tt.to)).startSlapd(t, []string{"127.0.0.1"}, global)
			r := LDAPS(s.target(t, "cn=reader,dc=test"))(withTimeout(t, 10*time.Second))
			if r.Status != tt.status || r.Cause != tt.cause || !strings.Contains(r.Detail, tt.detail) {
				t.Errorf("got %s %q: %s; want %s %q with %q", r.Status, r.Cause, r.Detail, tt.status, tt.cause, tt.detail)
			}
			if tt.status == check.Fail && s.bindsOf("cn=reader,dc=test") != 0 {
				t.Error("the password was sent to a server that is not trusted")
			}
			if (r.Cause != "") != (r.Remedy != "") || strings.Contains(r.Remedy, "by hand") {
				t.Errorf("remedy %q", r.Remedy)
			}
		})
	}
}

// TestClockContradicts holds when dates are blamed on a clock.
func TestClockContradicts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	expired := tlsprobe.Finding{Problem: tlsprobe.Expired, NotBefore: now.Add(-20 * oneDay), NotAfter: now.Add(-10 * oneDay)}
	tests := []struct {
		name     string
		findings []tlsprobe.Finding
		issued   time.Time // of another certificate of the chain
		theirs   time.Duration
		want     bool
	}{
		{"inside", []tlsprobe.Finding{expired}, now.Add(-100 * oneDay), -15 * oneDay, true},
		{"outside", []tlsprobe.Finding{expired}, now.Add(-100 * oneDay), -25 * oneDay, false},
		{"another problem", []tlsprobe.Finding{expired, {Problem: tlsprobe.SelfSigned}},
			now.Add(-100 * oneDay), -15 * oneDay, false},
		{"before its authority", []tlsprobe.Finding{expired}, now.Add(-12 * oneDay), -15 * oneDay, false},
		{"hardly apart", []tlsprobe.Finding{{Problem: tlsprobe.Expired, NotBefore: now.Add(-oneDay), NotAfter: now}},
			now.Add(-100 * oneDay), -30 * time.Second, false},
	}
	for _, tt := range tests {
		facts := tlsprobe.Facts{
			Verdict:      tlsprobe.Verdict{Judged: true, Findings: tt.findings},
			Certificates: []*x509.Certificate{{NotBefore: tt.issued, NotAfter: now.Add(100 * oneDay)}},
		}
		if got := clockContradicts(facts, now, now.Add(tt.theirs)); got != tt.want {
			t.Errorf("%s: got %t", tt.name, got)
		}
	}
	for ahead, want := range map[time.Duration]string{
		5 * time.Minute: "", -5 * time.Minute: "", 301 * time.Second: "5 minutes ahead", -time.Hour: "60 minutes behind",
	} {
		if got := clockApart(now, ahead); (got == nil) != (want == "") || got != nil && !strings.Contains(got.words, want) {
			t.Errorf("%s: got %v; want %q", ahead, got, want)
		}
	}
}
