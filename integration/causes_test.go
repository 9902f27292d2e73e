package integration_test

import (
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// says runs one check by the binary and wants its status and cause.
func (w world) says(name, status, cause string) {
	w.t.Helper()
	report, err := w.Ask(within(w.t, 20*time.Second), "check", name)
	if err != nil {
		w.t.Fatal(err)
	}
	got := report.Of(name)
	if got.Status != status || got.Cause != cause {
		w.t.Errorf("%s is %s %s (%s), want %s %s", name, got.Status, got.Cause, got.Detail, status, cause)
	}
	if status != "ok" && (got.Detail == "" || got.Remedy == "") {
		w.t.Errorf("%s: detail %q, remedy %q: a finding says what was seen and what to do", cause, got.Detail, got.Remedy)
	}
}

// flaws is what each flaw of a certificate must be called.
func flaws() map[lab.Flaw]struct{ status, cause string } {
	return map[lab.Flaw]struct{ status, cause string }{
		lab.Sound:               {"ok", ""},
		lab.Expired:             {"fail", "cert.expired"},
		lab.NotYetValid:         {"fail", "cert.not-yet-valid"},
		lab.Expiring:            {"fail", "cert.expiring"}, // three days left, seven are asked for
		lab.WrongName:           {"fail", "cert.name-mismatch"},
		lab.SelfSigned:          {"fail", "cert.self-signed"},
		lab.OtherAuthority:      {"fail", "cert.unknown-authority"},
		lab.MissingIntermediate: {"fail", "cert.incomplete-chain"},
		lab.ExpiredIntermediate: {"fail", "cert.chain-expired"},
		lab.WeakKey:             {"fail", "cert.weak-key"},
		lab.WeakSignature:       {"fail", "cert.weak-signature"},
		lab.ClientUsage:         {"fail", "cert.usage"},
	}
}

func TestCertificatesOfNginx(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	for _, flaw := range slices.Sorted(maps.Keys(flaws())) { // the sound one first: after another it would be a change
		want := flaws()[flaw]
		if err := w.Flaw(within(t, 10*time.Second), w.Web, lab.CloudName, flaw); err != nil {
			t.Fatal(err)
		}
		w.says(lab.CheckCloud, want.status, want.cause)
	}
}

func TestCertificatesOfSlapd(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	for _, flaw := range slices.Sorted(maps.Keys(flaws())) { // the sound one first: after another it would be a change
		want := flaws()[flaw]
		if err := w.Flaw(within(t, 10*time.Second), w.LDAP, lab.DirectoryName, flaw); err != nil {
			t.Fatal(err)
		}
		w.says(lab.CheckDirectory, want.status, want.cause)
	}
}

func TestCausesOfUnbound(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	for _, c := range []struct {
		answer lab.Answer
		cause  string
	}{
		{lab.Answer{Fault: lab.NXDomain}, "dns.nxdomain"},
		{lab.Answer{Addresses: []netip.Addr{w.Cloud.IPv6}}, "dns.nodata"},
		{lab.Answer{Fault: lab.ServFail}, "dns.servfail"},
		{lab.Answer{Fault: lab.Refused}, "dns.refused"},
		{lab.Answer{Fault: lab.Silence}, "dns.timeout"},
		{lab.Answer{Addresses: []netip.Addr{w.Stranger.IPv4}}, "dns.mismatch"},
	} {
		if err := w.NameServer.Answer(within(t, 10*time.Second), lab.CloudName, c.answer); err != nil {
			t.Fatal(err)
		}
		w.says(lab.CheckResolver, "fail", c.cause)
	}
	if err := w.NameServer.Stop(); err != nil {
		t.Fatal(err)
	}
	w.says(lab.CheckResolver, "fail", "dns.unreachable")
}

func TestCausesOfConnecting(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	if err := w.Web.Stop(); err != nil {
		t.Fatal(err)
	}
	w.says(lab.CheckCloud, "fail", "connect.refused")
	need(t, "nft")
	silent := "table inet x { chain in { type filter hook input priority 0; tcp dport 443 drop; }; }"
	if got, err := w.Cloud.Run(within(t, 5*time.Second), "nft", silent); err != nil || got.Code != 0 {
		t.Fatal(got, err)
	}
	w.says(lab.CheckCloud, "fail", "connect.timeout")
}

func TestCausesOfSlapd(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	conf := w.Configuration(lab.Settings{})
	with := func(old, changed string) {
		t.Helper()
		next := strings.Replace(conf, old, changed, 1)
		if next == conf {
			t.Fatalf("%q is not in the configuration:\n%s", old, conf)
		}
		if err := w.Write(next); err != nil {
			t.Fatal(err)
		}
	}
	with("base_dn: "+lab.StaffDN, "base_dn: OU=Nobody,"+lab.BaseDN)
	w.says(lab.CheckDirectory, "fail", "ldap.base-not-found")
	with("filter: (objectClass=person)", "filter: (sn=Nobody)")
	w.says(lab.CheckDirectory, "fail", "ldap.too-few-entries")
	if err := w.Write(conf); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.PasswordFile(), []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.says(lab.CheckDirectory, "fail", "ldap.invalid-credentials")
	if err := w.LDAP.Stop(); err != nil {
		t.Fatal(err)
	}
	w.says(lab.CheckDirectory, "fail", "connect.refused")
}
