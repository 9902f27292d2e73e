package netcheck

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"regexp"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/netcheck/internal/dnsrig"
	"sallyport/report/metrics"
)

// fault is one way in which a target can be, and the labels that it must have in the metrics.
type fault struct {
	name string
	kind string
	run  func(context.Context) check.Result
	want string // status as an exit code, and cause
}

// TestFaultsStandApart makes the 23 faults that tell monitors apart, each by a real server, and wants each to have
// labels of its own in the metrics: an alert can then be made for it alone.
func TestFaultsStandApart(t *testing.T) {
	t.Parallel()
	faults := allFaults(t)
	if len(faults) != 23 {
		t.Fatalf("%d faults", len(faults))
	}
	results := make([]check.Result, len(faults))
	for i, f := range faults {
		c := check.Check{Name: f.name, Kind: f.kind, Target: "127.0.0.1"}
		began := time.Now()
		results[i] = c.Complete(f.run(withTimeout(t, 2*time.Second)), began, time.Since(began))
	}
	seen := map[string]string{}
	series := statusSeries(t, results)
	for _, f := range faults {
		got := series[f.name]
		if got != f.kind+" "+f.want {
			t.Errorf("%s: %q, want %q", f.name, got, f.kind+" "+f.want)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s are both %q", f.name, other, got)
		}
		seen[got] = f.name
	}
}

// statusSeries is the kind, value and cause of sallyport_check_status for each check, as a scrape shows them.
func statusSeries(t *testing.T, results []check.Result) map[string]string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^sallyport_check_status{cause="([^"]*)",check="([^"]*)",kind="([^"]*)"} (\d)$`)
	series := map[string]string{}
	for _, m := range line.FindAllStringSubmatch(exposition(t, results...), -1) {
		series[m[2]] = fmt.Sprintf("%s %s %s", m[3], m[4], m[1])
	}
	return series
}

func exposition(t *testing.T, results ...check.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := metrics.WriteOnce(&b, "test", results); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func allFaults(t *testing.T) []fault {
	t.Helper()
	r := newRegistry(t)
	var all []fault
	tlsAt := func(name, want string, port uint16) {
		all = append(all, fault{name, check.KindTLS, TLS(localTarget(port, r.roots)), want})
	}
	certificateFaults(t, r, tlsAt)
	chain := []*paper{r.leaf(t), r.intermediate}
	tlsAt("TLS 1.1 only", "2 tls.legacy", startOpenSSL(t, chain, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"))
	tlsAt("client certificate required", "2 tls.client-certificate", startOpenSSL(t, chain, "-tls1_3", "-Verify", "1"))
	tlsAt("internal alert", "2 tls.alert", startTCP(t, internalError))
	tlsAt("reset on accept", "2 connect.reset", startTCP(t, resetNow))
	tlsAt("silence", "2 tls.timeout", startTCP(t, untilClosed))
	tlsAt("plaintext", "2 tls.not-tls", startTCP(t, say("220 mail.test ESMTP\r\n")))
	tlsAt("EOF after ClientHello", "2 tls.closed", startTCP(t, takeHello))
	tlsAt("refused", "2 connect.refused", uint16(freePort(t)))

	server := dnsrig.Unbound(t, true)
	for _, dns := range []struct{ name, query, want string }{
		{"DNS ok", "www.zone.test", "0 "}, {"DNS nxdomain", "www.gone.test", "2 dns.nxdomain"},
		{"DNS nodata", "www.empty.test", "2 dns.nodata"}, {"DNS refused", "www.refused.test", "2 dns.refused"},
		{"DNS dropped", "www.dropped.test", "2 dns.timeout"},
	} {
		target := DNSTarget{Query: dns.query, Type: "A", Servers: at(server)}
		all = append(all, fault{dns.name, check.KindDNS, DNS(target), dns.want})
	}
	return all
}

// certificateFaults are those that nginx shows by the chain it is given.
func certificateFaults(t *testing.T, r registry, add func(name, want string, port uint16)) {
	t.Helper()
	stale := sign(t, newKey(t), r.root, asAuthority("Stale Intermediate"), lasting(-400*oneDay, -oneDay))
	faults := []struct {
		name, want string
		chain      []*paper
	}{
		{"all well", "0 ", []*paper{r.leaf(t), r.intermediate}},
		{"expired", "2 cert.expired", []*paper{r.leaf(t, lasting(-90*oneDay, -3*oneDay)), r.intermediate}},
		{"not yet valid", "2 cert.not-yet-valid", []*paper{r.leaf(t, lasting(oneDay, 90*oneDay)), r.intermediate}},
		{"wrong name", "2 cert.name-mismatch", []*paper{
			r.leaf(t, func(c *x509.Certificate) { c.DNSNames = []string{"elsewhere.test"} }), r.intermediate,
		}},
		{"unknown authority", "2 cert.unknown-authority", []*paper{sign(t, newKey(t), r.stranger)}},
		{"self-signed", "2 cert.self-signed", []*paper{sign(t, newKey(t), nil)}},
		{"missing intermediate", "2 cert.incomplete-chain", []*paper{r.leaf(t)}},
		{"1024-bit RSA", "2 cert.weak-key", []*paper{sign(t, newRSAKey(t, 1024), r.intermediate), r.intermediate}},
		{"expired intermediate", "2 cert.chain-expired", []*paper{sign(t, newKey(t), stale), stale}},
		{"three days left", "2 cert.expiring", []*paper{r.leaf(t, lasting(-oneDay, 3*oneDay)), r.intermediate}},
	}
	chains := map[string][]*paper{}
	for _, f := range faults {
		chains[f.name] = f.chain
	}
	ports := startNginx(t, chains, nil)
	for _, f := range faults {
		add(f.name, f.want, ports[f.name])
	}
}

// internalError ends the handshake with the alert internal_error (RFC 8446 section 6.2).
func internalError(conn *net.TCPConn) { takeHello(conn); say("\x15\x03\x03\x00\x02\x02\x50")(conn) }

// TestEvidenceTellsMetrics: evidence as it is and evidence that has crossed a process border make the same series.
func TestEvidenceTellsMetrics(t *testing.T) {
	t.Parallel()
	first, second := time.Now().Add(oneDay).UTC(), time.Now().Add(2*oneDay).UTC()
	shown := &TLSEvidence{Version: "TLS 1.3", Certificates: []Cert{{NotAfter: second}},
		Others: []*TLSEvidence{{Version: "TLS 1.2", Certificates: []Cert{{NotAfter: second}, {NotAfter: first}}}}}
	for _, r := range []check.Result{
		{Check: "tls", Kind: check.KindTLS, Evidence: shown},
		{Check: "ldaps", Kind: check.KindLDAPS, Evidence: LDAPSEvidence{TLS: shown}},
		{Check: "unreached", Kind: check.KindLDAPS, Evidence: LDAPSEvidence{}},
	} {
		told, ok := r.Evidence.(interface {
			TLSVersion() string
			EarliestExpiry() time.Time
		})
		if !ok || r.Check != "unreached" && (told.TLSVersion() != "TLS 1.3" || !told.EarliestExpiry().Equal(first)) {
			t.Errorf("%s: %+v", r.Check, r.Evidence)
		}
		raw, err := json.Marshal(r.Evidence)
		if err != nil {
			t.Fatal(err)
		}
		direct := exposition(t, r)
		if r.Evidence = json.RawMessage(raw); direct != exposition(t, r) {
			t.Errorf("%s: as it is\n%s\nby its JSON\n%s", r.Check, direct, exposition(t, r))
		}
	}
}
