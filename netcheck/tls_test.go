package netcheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/tlsprobetest"
)

func localTarget(port uint16, roots *tlsprobe.Roots) TLSTarget {
	return TLSTarget{Server: Server{
		Host: "127.0.0.1", ServerName: "localhost", Port: port, Roots: roots, Warn: 21 * oneDay, Fail: 7 * oneDay,
	}}
}

// expectResult runs a check and compares what everybody compares: status, cause, words, the phase in which it ended.
func expectResult(t *testing.T, target TLSTarget, status check.Status, cause check.Cause, words, phase string) check.Result {
	t.Helper()
	r := TLS(target)(withTimeout(t, 5*time.Second))
	if r.Status != status || r.Cause != cause || !strings.Contains(r.Detail, words) {
		t.Errorf("%s %s: %s; want %s %s: …%s…", r.Status, r.Cause, r.Detail, status, cause, words)
	}
	if (r.Remedy == "") != (cause == "") || strings.Contains(r.Remedy, "TARGET") {
		t.Errorf("remedy %q", r.Remedy)
	}
	if got := lastPhase(r); got != phase && phase != "" {
		t.Errorf("it ended in the phase %q, want %q", got, phase)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
	return r
}

// TestTLSCertificates shows each fault of a certificate by nginx.
func TestTLSCertificates(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	stale := sign(t, newKey(t), r.root, asAuthority("Stale Intermediate"), lasting(-400*oneDay, -oneDay))
	weakKey := sign(t, newRSAKey(t, 1024), r.intermediate)
	chains := map[string][]*paper{
		"well":     {r.leaf(t), r.intermediate},
		"expired":  {r.leaf(t, lasting(-90*oneDay, -3*oneDay)), r.intermediate},
		"future":   {r.leaf(t, lasting(oneDay, 90*oneDay)), r.intermediate},
		"3 days":   {r.leaf(t, lasting(-oneDay, 3*oneDay)), r.intermediate},
		"14 days":  {r.leaf(t, lasting(-oneDay, 14*oneDay)), r.intermediate},
		"name":     {r.leaf(t, func(c *x509.Certificate) { c.DNSNames = []string{"elsewhere.test"} }), r.intermediate},
		"unknown":  {sign(t, newKey(t), r.stranger)},
		"self":     {sign(t, newKey(t), nil)},
		"missing":  {r.leaf(t)},
		"stale":    {sign(t, newKey(t), stale), stale},
		"weak key": {weakKey, r.intermediate},
		"clients": {r.leaf(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
			r.intermediate},
	}
	// nginx refuses a client without a certificate by an HTTP answer, after a handshake that is well.
	chains["insists"] = chains["well"]
	rootFile, _ := files(t, r.root)
	ports := startNginx(t, chains, map[string]string{
		"insists": "ssl_verify_client on; ssl_client_certificate " + rootFile + ";",
	})
	tests := []struct {
		name   string
		status check.Status
		cause  check.Cause
		words  string
	}{
		{"well", check.OK, "", "TLS 1.3, certificate valid until "},
		{"insists", check.OK, "", "asks for a client certificate"},
		{"expired", check.Fail, check.CertExpired, "expired on "},
		{"future", check.Fail, check.CertNotYetValid, "not valid before "},
		{"3 days", check.Fail, check.CertExpiring, "in 3 days"},
		{"14 days", check.Warn, check.CertExpiring, "in 14 days"},
		{"name", check.Fail, check.CertNameMismatch, `"elsewhere.test"`},
		{"unknown", check.Fail, check.CertUnknownAuthority, `"CN=Stranger Root"`},
		{"self", check.Fail, check.CertSelfSigned, "signed by itself"},
		{"missing", check.Fail, check.CertIncompleteChain, `"CN=Test Intermediate"`},
		{"stale", check.Fail, check.CertChainExpired, `"CN=Stale Intermediate" expired on`},
		{"weak key", check.Fail, check.CertWeakKey, "1024 bits"},
		{"clients", check.Fail, check.CertUsage, "server authentication"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			result := expectResult(t, localTarget(ports[test.name], r.roots), test.status, test.cause, test.words, "tls")
			evidence, ok := result.Evidence.(*TLSEvidence)
			sent := len(chains[test.name])
			if !ok || evidence.Version != "TLS 1.3" || evidence.Group == "" || len(evidence.Certificates) != sent {
				t.Errorf("evidence %+v", result.Evidence)
			}
		})
	}
}

// TestTLSProtocol shows each fault of the protocol by openssl s_server, in the versions that have it.
func TestTLSProtocol(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	chain := []*paper{r.leaf(t), r.intermediate}
	tests := []struct {
		name   string
		args   []string
		status check.Status
		cause  check.Cause
		words  string
	}{
		{"well", nil, check.OK, "", "TLS 1.3"},
		{"1.2 only", []string{"-tls1_2"}, check.OK, "", "TLS 1.2"},
		{"1.1 only", []string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, check.Fail, check.TLSLegacy, "TLS 1.1"},
		{"1.0 only", []string{"-tls1", "-cipher", "ALL:@SECLEVEL=0"}, check.Fail, check.TLSLegacy, "TLS 1.0"},
		{"no common suite", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-CAMELLIA128-SHA256"}, check.Fail, check.TLSCipher,
			"handshake_failure"},
		{"no common group", []string{"-groups", "X448"}, check.Fail, check.TLSCipher, "handshake_failure"},
		{"1.2 insists", []string{"-tls1_2", "-Verify", "1"}, check.Fail, check.TLSClientCertificate, "client certificate"},
		{"1.3 insists", []string{"-tls1_3", "-Verify", "1"}, check.Fail, check.TLSClientCertificate,
			"certificate_required (116)"},
		{"1.2 asks", []string{"-tls1_2", "-verify", "1"}, check.OK, "", "certificate, but the handshake goes without one"},
		{"1.3 asks", []string{"-tls1_3", "-verify", "1"}, check.OK, "", "certificate, but the handshake goes without one"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			port := startOpenSSL(t, chain, test.args...)
			expectResult(t, localTarget(port, r.roots), test.status, test.cause, test.words, "tls")
		})
	}
}

// TestTLSOldSuites: a server that speaks TLS 1.0 to 1.2, but only with suites that nobody should take, is not old.
func TestTLSOldSuites(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	chain := []*paper{sign(t, newRSAKey(t, 2048), r.intermediate), r.intermediate}
	port := startOpenSSL(t, chain, "-min_protocol", "TLSv1", "-no_tls1_3", "-cipher", "AES128-SHA:@SECLEVEL=0")
	expectResult(t, localTarget(port, r.roots), check.Fail, check.TLSCipher, "handshake_failure", "tls")
}

// TestTLSConnection shows what a server that speaks no TLS, or stops, looks like.
func TestTLSConnection(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(*net.TCPConn)
		cause  check.Cause
		words  string
	}{
		{"reset on accept", resetNow, check.ConnectReset, "reset"}, // seen by connect(2), or later
		{"reset after the hello", func(c *net.TCPConn) { takeHello(c); resetNow(c) }, check.TLSReset, "reset in the TLS"},
		{"closed after the hello", takeHello, check.TLSClosed, "closed the connection"},
		{"plaintext", say("220 mail.test\x1b[2J\u202e\r\n"), check.TLSNotTLS, `"220 mail.test\x1b[2J\u202e\r\n"`},
		{"internal error", internalError, check.TLSAlert, "internal_error (80)"},
		{"garbage", say("\x16\x03\x03\x00\x04\x63\x00\x00\x00"), check.TLSMalformed, "broke the TLS protocol"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			expectResult(t, localTarget(startTCP(t, test.answer), nil), check.Fail, test.cause, test.words, "")
		})
	}
}

// TestTLSSilence: the silent one is found out in the time that the check has, and a little before.
func TestTLSSilence(t *testing.T) {
	t.Parallel()
	port := startTCP(t, untilClosed)
	var left time.Duration
	r := inTime(t, 2*time.Second, func(ctx context.Context) check.Result {
		r := TLS(localTarget(port, nil))(ctx)
		deadline, _ := ctx.Deadline()
		left = time.Until(deadline)
		return r
	})
	if r.Status != check.Fail || r.Cause != check.TLSTimeout || left <= 0 {
		t.Errorf("%s %s, with %v left: %s", r.Status, r.Cause, left, r.Detail)
	}
}

func TestTLSRefused(t *testing.T) {
	t.Parallel()
	expectResult(t, localTarget(uint16(freePort(t)), nil), check.Fail, check.ConnectRefused, "refused", "connect")
}

// TestTLSGivenUp: a run that its caller gives up blames nobody.
func TestTLSGivenUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(withTimeout(t, 20*time.Second))
	port := startTCP(t, func(conn *net.TCPConn) { takeHello(conn); cancel(); untilClosed(conn) })
	r := TLS(localTarget(port, nil))(ctx)
	if r.Status != check.Unknown || r.Cause != "" || r.Detail == "" {
		t.Errorf("%s %q: %s", r.Status, r.Cause, r.Detail)
	}
}

// TestTLSGivenUpBefore: nor is the resolver to blame.
func TestTLSGivenUpBefore(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(withTimeout(t, 20*time.Second))
	cancel()
	r := TLS(TLSTarget{Server: Server{Host: "missing.invalid", Port: 443}})(ctx)
	if r.Status != check.Unknown || r.Cause != "" || r.Detail == "" {
		t.Errorf("%s %q: %s", r.Status, r.Cause, r.Detail)
	}
}

// TestTLSNames: the name that is checked is the host's own where no other is given, and an address is a name too.
func TestTLSNames(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	config := &tls.Config{Certificates: []tls.Certificate{tlsprobetest.Chain(r.leaf(t), r.intermediate)}}
	port := startTCP(t, func(conn *net.TCPConn) { _ = tls.Server(conn, config).Handshake(); untilClosed(conn) })
	target := TLSTarget{Server: Server{Host: "127.0.0.1", Port: port, Roots: r.roots}}
	expectResult(t, target, check.OK, "", "TLS 1.3", "tls")
	target.ServerName = "other.test"
	expectResult(t, target, check.Fail, check.CertNameMismatch, `not for "other.test"`, "tls")
	if target.String() != net.JoinHostPort("127.0.0.1", target.String()[10:]) {
		t.Errorf("target %s", target)
	}
}
