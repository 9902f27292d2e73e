package netcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"sallyport/check"
	"sallyport/netcheck/dial"
	"sallyport/netcheck/resolver"
	"sallyport/tlsprobe"
)

// dialError is an error as net.Dialer returns it.
func dialError(err error) error {
	called := os.NewSyscallError("connect", err)
	return &phaseError{phase: phaseConnect, err: &net.OpError{Op: "dial", Net: "tcp", Err: called}}
}

func httpError(e dial.HTTPError) error { return &phaseError{phase: phaseHTTP, err: &e} }

func handshakeError(f tlsprobe.Failure) error {
	return &phaseError{phase: phaseTLS, err: &tlsprobe.HandshakeError{Failure: f, Err: os.ErrDeadlineExceeded}}
}

func certificateError(p tlsprobe.Problem) error {
	verdict := tlsprobe.Verdict{Judged: true, Findings: []tlsprobe.Finding{{Problem: p, Words: "words of " + p.String()}}}
	return &phaseError{phase: phaseTLS, err: &tlsprobe.CertificateError{Verdict: verdict}}
}

// TestClassify holds which error becomes which cause. That servers, the kernel and resolvers make these errors is held
// by the other tests.
func TestClassify(t *testing.T) {
	t.Parallel()
	icmp := &dial.ICMPError{Err: syscall.EHOSTUNREACH, Type: 3, Code: 13,
		From: netip.MustParseAddr("192.0.2.1"), Target: netip.MustParseAddr("192.0.2.9")}
	tests := []struct {
		name  string
		err   error
		cause check.Cause
		words string
	}{
		{"nothing", nil, "", ""},
		{"given up", &phaseError{phase: phaseConnect, err: context.Canceled}, "", "given up"},
		{"given up in TLS", handshakeError(tlsprobe.FailedCanceled), "", "given up"},
		{"no phase", errors.New("a\nb"), check.Internal, `a\nb`},
		{"unknown in dns", &phaseError{phase: phaseDNS, err: errors.New("x")}, "unknown.dns", "x"},
		{"unknown in connect", &phaseError{phase: phaseConnect, err: errors.New("x\x1b")}, "unknown.connect", `x\x1b`},
		{"unknown in tls", &phaseError{phase: phaseTLS, err: errors.New("x")}, "unknown.tls", "x"},
		{"unknown in ldap", &phaseError{phase: phaseSearch, err: errors.New("x")}, "unknown.ldap", "x"},
		{"unknown handshake", handshakeError(tlsprobe.FailedOtherwise), "unknown.tls", ""},

		{"unknown in http", &phaseError{phase: phaseHTTP, err: errors.New("x")}, "unknown.http", "x"},
		{"unknown in proxy", &phaseError{phase: phaseProxy, err: errors.New("x")}, "unknown.proxy", "x"},
		{"http given up", httpError(dial.HTTPError{Failure: dial.HTTPCanceled}), "", "given up"},
		{"http silence", httpError(dial.HTTPError{Failure: dial.HTTPTimeout}), check.HTTPStatus, "no answer in time"},
		{"http drip", httpError(dial.HTTPError{Failure: dial.HTTPTimeout, Received: 9}), check.HTTPMalformed,
			"only 9 octets"},
		{"http other", httpError(dial.HTTPError{Err: errors.New("y\x1b")}), "unknown.http", `y\x1b`},
		{"no source", dialError(&dial.SourceError{Lack: dial.NoPort}), check.ConnectSource, "every local port"},

		{"refused", dialError(syscall.ECONNREFUSED), check.ConnectRefused, "refused"},
		{"no answer", dialError(syscall.ETIMEDOUT), check.ConnectTimeout, "no answer"},
		{"deadline", dialError(os.ErrDeadlineExceeded), check.ConnectTimeout, "no answer"},
		{"context", &phaseError{phase: phaseConnect, err: context.DeadlineExceeded}, check.ConnectTimeout, "no answer"},
		{"no host", dialError(syscall.EHOSTUNREACH), check.ConnectUnreachable, "no way"},
		{"no network", dialError(syscall.ENETUNREACH), check.ConnectUnreachable, "no way"},
		{"icmp", dialError(icmp), check.ConnectUnreachable, "ICMP communication administratively prohibited from 192.0.2.1"},
		{"reset", dialError(syscall.ECONNRESET), check.ConnectReset, "reset"},
		{"prohibit", dialError(syscall.EACCES), check.ConnectBlockedHere, "permission denied"},
		{"filter", dialError(syscall.EPERM), check.ConnectBlockedHere, "not permitted"},
		{"blackhole", dialError(syscall.EINVAL), check.ConnectBlockedHere, "blackhole"},
		{"no source", dialError(syscall.EADDRNOTAVAIL), check.ConnectSource, "nothing to send from"},
		{"no descriptor", dialError(syscall.EMFILE), check.ConnectSource, "too many open files"},

		{"tls timeout", handshakeError(tlsprobe.FailedTimeout), check.TLSTimeout, "no answer in the TLS"},
		{"tls closed", handshakeError(tlsprobe.FailedClosed), check.TLSClosed, "closed"},
		{"tls reset", handshakeError(tlsprobe.FailedReset), check.TLSReset, "reset"},
		{"not tls", handshakeError(tlsprobe.FailedNotTLS), check.TLSNotTLS, "does not speak TLS"},
		{"version", handshakeError(tlsprobe.FailedVersion), check.TLSVersion, "version"},
		{"cipher", handshakeError(tlsprobe.FailedCipher), check.TLSCipher, "suite"},
		{"alert", handshakeError(tlsprobe.FailedAlert), check.TLSAlert, "alert"},
		{"client", handshakeError(tlsprobe.FailedNoCertificate), check.TLSClientCertificate, "client certificate"},
		{"malformed", handshakeError(tlsprobe.FailedMalformed), check.TLSMalformed, "broke"},

		{"expired", certificateError(tlsprobe.Expired), check.CertExpired, "words of expired"},
		{"not yet", certificateError(tlsprobe.NotYetValid), check.CertNotYetValid, ""},
		{"self", certificateError(tlsprobe.SelfSigned), check.CertSelfSigned, ""},
		{"incomplete", certificateError(tlsprobe.IncompleteChain), check.CertIncompleteChain, ""},
		{"unknown", certificateError(tlsprobe.UnknownAuthority), check.CertUnknownAuthority, ""},
		{"chain", certificateError(tlsprobe.ChainExpired), check.CertChainExpired, ""},
		{"name", certificateError(tlsprobe.NameMismatch), check.CertNameMismatch, ""},
		{"usage", certificateError(tlsprobe.Usage), check.CertUsage, ""},
		{"key", certificateError(tlsprobe.WeakKey), check.CertWeakKey, ""},
		{"signature", certificateError(tlsprobe.WeakSignature), check.CertWeakSignature, ""},
		{"expiring", certificateError(tlsprobe.Expiring), check.CertExpiring, ""},
		{"no certificate", certificateError(tlsprobe.NoCertificate), check.TLSMalformed, ""},
		{"no verdict", &tlsprobe.CertificateError{}, "unknown.certificate", "not judged"},

		{"second opinion", &phaseError{phase: phaseTLS, err: &opinion{cause: check.TLSLegacy, words: "old",
			err: handshakeError(tlsprobe.FailedVersion)}}, check.TLSLegacy, "old"},
		{"name server", fmt.Errorf("resolve: %w", &resolver.Error{Cause: check.DNSRefused, Name: "a.test", Detail: "no"}),
			check.DNSRefused, "a.test: no"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cause, detail := Classify(test.err)
			if cause != test.cause || !strings.Contains(detail, test.words) {
				t.Errorf("%q: %q, want %q: …%s…", cause, detail, test.cause, test.words)
			}
			if (detail == "") != (test.err == nil) {
				t.Errorf("detail %q", detail)
			}
		})
	}
}

// TestRemedies: each cause that the TLS check can give has a remedy of its own, which names the target and is no more
// than a sentence.
func TestRemedies(t *testing.T) {
	t.Parallel()
	given := map[check.Cause]bool{}
	for _, remedies := range []map[check.Cause]string{
		connectRemedies(), tlsRemedies(), certificateRemedies(), tunnelRemedies(),
	} {
		for cause := range remedies {
			given[cause] = true
			sentence := remedyFor(cause, "host.test:443")
			if !strings.Contains(sentence, "host.test:443") || !strings.HasSuffix(sentence, ".") ||
				strings.Contains(sentence, "TARGET") {
				t.Errorf("%s: %q", cause, sentence)
			}
		}
	}
	for p := tlsprobe.Expired; p <= tlsprobe.Expiring; p++ {
		if !given[causeOf(p)] {
			t.Errorf("no remedy for %s", causeOf(p))
		}
	}
	for f := tlsprobe.FailedTimeout; f <= tlsprobe.FailedMalformed; f++ {
		if cause := classifyHandshake(&tlsprobe.HandshakeError{Failure: f}); cause != "" && !given[cause] {
			t.Errorf("no remedy for %s", cause)
		}
	}
	if remedyFor("", "x") != "" || !strings.Contains(remedyFor("unknown.tls", "x"), "sallyport explain unknown.tls") {
		t.Error("the remedy for nothing, or for the unknown")
	}
}
