package tlsprobe

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
	"time"
)

func asClient(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }

// TestOwnCertificate: it is shown where one is asked for, and a server that does not accept it is told from one that
// would have another.
func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good, stale := issue(t, h.root, asClient), issue(t, h.root, asClient, valid(-20*day24, -day24))
	foreign := issue(t, h.stranger, asClient)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, test := range map[string]struct {
			own     *issued
			failure Failure
			words   string
		}{
			"accepted": {good, 0, ""},
			"none":     {nil, FailedNoCertificate, "asks for a client certificate"},
			"expired":  {stale, FailedClientCertificate, "does not accept our client certificate: alert "},
			"unknown":  {foreign, FailedClientCertificate, "unknown_ca (48)"},
		} {
			t.Run(tls.VersionName(version)+" "+name, func(t *testing.T) {
				t.Parallel()
				address := serveTLS(t, &tls.Config{
					Certificates: []tls.Certificate{chain(issue(t, h.root))}, MaxVersion: version,
					ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: h.roots.pool, Time: now,
				})
				o := Options{ServerName: "host.test", Roots: h.roots, Time: now(), AwaitAlert: 5 * time.Second}
				if test.own != nil {
					pair := chain(test.own)
					o.ClientCertificate = &pair
				}
				facts, _, err := shake(t, address, o)
				if !facts.ClientCertificateRequested || facts.ClientCertificateSent != (test.own != nil) {
					t.Errorf("facts %+v", facts)
				}
				if test.words == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				expectFailure(t, err, test.failure)
				if !strings.Contains(err.Error(), test.words) {
					t.Errorf("%q does not say %q", err, test.words)
				}
			})
		}
	}
}

// TestALPN: no protocol in common is told by name, a server without ALPN is let be, and what was offered is noted.
func TestALPN(t *testing.T) {
	t.Parallel()
	leaf := issue(t, nil)
	o := Options{ServerName: "host.test", Roots: NewRoots(leaf.Cert), Time: now(), ALPN: []string{"h2"}}
	serving := func(protocols ...string) string {
		return serveTLS(t, &tls.Config{Certificates: []tls.Certificate{chain(leaf)}, NextProtos: protocols})
	}
	facts, _, err := shake(t, serving(), o)
	if err != nil || facts.ALPN != "" || len(facts.ALPNOffered) != 1 {
		t.Errorf("%v: %+v", err, facts)
	}
	_, _, err = shake(t, serving("imap"), o)
	expectFailure(t, err, FailedAlert)
	if !strings.Contains(err.Error(), "no_application_protocol (120), it speaks none of the application protocols") {
		t.Error(err)
	}
}

// TestTimes: how far a handshake got, and when, in its order.
func TestTimes(t *testing.T) {
	t.Parallel()
	leaf := issue(t, nil)
	o := Options{ServerName: "host.test", Roots: NewRoots(leaf.Cert), Time: now()}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		address := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{chain(leaf)}, MaxVersion: version})
		f, _, err := shake(t, address, o)
		if err != nil || f.HelloAfter <= 0 || f.CertificatesAfter < f.HelloAfter || f.Duration < f.CertificatesAfter {
			t.Errorf("%v: %v, %v, %v", err, f.HelloAfter, f.CertificatesAfter, f.Duration)
		}
	}
}

func TestSpoken(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n": "HTTP", "<html>\r\n<head>": "HTTP", "<!doctype html>": "HTTP",
		"SSH-2.0-OpenSSH_9.2p1\r\n": "SSH", "220 mail.test ESMTP\r\n": "SMTP", "220-mail.test\r\n": "SMTP",
		"554 no\r\n": "SMTP", "220 (vsFTPd 3.0.3)\r\n": "FTP", "* OK IMAP4 ready\r\n": "IMAP", "+OK ready\r\n": "POP3",
		"\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x02": "LDAP without TLS",
		"\x30\x84\x00\x00\x00\x10\x02\x01\x00":     "LDAP without TLS",
		"":                                         "", "\x30": "", "\x30\xff": "",
		"220": "", "2200 cats": "", "hello": "", "\x30\x05\x04\x01\x00": "",
	} {
		if got := spoken([]byte(said)); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
