package netcheck

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"sallyport/check"
	"sallyport/tlsprobe/revocation"
)

// TestRevokedDirectoryIsSentNoPassword: once it is known that a directory's certificate was revoked, the user is not bound
// there, in soft too. Where an answer is insisted on, the user is not bound before it is there.
func TestRevokedDirectoryIsSentNoPassword(t *testing.T) {
	t.Parallel()
	status := ocsp.Good
	var pki directoryPKI
	var leaf *x509.Certificate
	responder := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		der, err := ocsp.CreateResponse(pki.authority.Cert, pki.authority.Cert, ocsp.Response{Status: status,
			SerialNumber: leaf.SerialNumber, ThisUpdate: time.Now(), RevokedAt: time.Now(),
			RevocationReason: ocsp.KeyCompromise,
			NextUpdate:       time.Now().Add(time.Hour)}, pki.authority.Key)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(der)
	}))
	t.Cleanup(responder.Close)
	pki = newDirectoryPKI(t, asks(responder.URL))
	leaf, err := x509.ParseCertificate(pki.pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	s := pki.startSlapd(t, []string{"127.0.0.1"}, "")
	const reader = "cn=reader,dc=test"
	run := func(checker *revocation.Checker, hard bool) check.Result {
		target := s.target(t, reader)
		target.Revocation = Revocation{Checker: checker, Hard: hard}
		return LDAPS(target)(withTimeout(t, 10*time.Second))
	}
	if r := run(revocation.NewChecker(), true); r.Status != check.OK || s.bindsOf(reader) != 1 {
		t.Errorf("good: %s %s: %s", r.Status, r.Cause, r.Detail)
	}
	status = ocsp.Revoked
	if r := run(revocation.NewChecker(), true); r.Cause != check.CertRevoked || lastPhase(r) != "tls" ||
		s.bindsOf(reader) != 1 {
		t.Errorf("asked first: %s %s: %s, after %s", r.Status, r.Cause, r.Detail, lastPhase(r))
	}
	checker := revocation.NewChecker()
	if r := run(checker, false); r.Cause != check.CertRevoked || lastPhase(r) != "search" {
		t.Errorf("asked: %s %s: %s, after %s", r.Status, r.Cause, r.Detail, lastPhase(r))
	}
	binds := s.bindsOf(reader)
	r := run(checker, false)
	if r.Status != check.Fail || r.Cause != check.CertRevoked || r.Remedy == "" || lastPhase(r) != "tls" {
		t.Errorf("known: %s %s: %s, after %s", r.Status, r.Cause, r.Detail, lastPhase(r))
	}
	if s.bindsOf(reader) != binds {
		t.Error("the password was sent to a server that is known to be revoked")
	}
	if told := r.Evidence.(LDAPSEvidence).TLS.Revocation; len(told) != 1 || told[0].Status != "revoked" {
		t.Errorf("evidence %+v", told)
	}
}
