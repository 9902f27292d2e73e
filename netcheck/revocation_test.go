package netcheck

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe/revocation"
)

// verdictCase is one certificate, what it is for the check in soft and in hard, and in hard the words for it.
type verdictCase struct {
	name    string
	changes []change
	revoked string // why, in the index; empty: it is valid
	absent  bool   // not in the index at all
	staple  string // line of nginx
	soft    check.Cause
	hard    check.Cause
	words   string
	source  revocation.Source
}

// try has nginx show each certificate, and judges it in soft and in hard.
func (b *bureau) try(cases []verdictCase, leaves map[string]*paper) {
	b.t.Helper()
	chains, more := map[string][]*paper{}, map[string]string{}
	for _, c := range cases {
		chains[c.name], more[c.name] = []*paper{leaves[c.name], b.intermediate}, c.staple
	}
	ports := startNginx(b.t, chains, more)
	for _, c := range cases {
		b.t.Run(c.name, func(t *testing.T) {
			for hard, want := range map[bool]check.Cause{false: c.soft, true: c.hard} {
				target := localTarget(ports[c.name], b.roots)
				target.Revocation = Revocation{Checker: revocation.NewChecker(), Hard: hard}
				status, words := check.OK, ""
				if want != "" {
					status, words = check.Fail, c.words
				}
				patience := 20 * time.Second // for programs that are slow to start on a busy machine
				if c.name == "silent" {
					patience = 2 * time.Second
				}
				r := TLS(target)(withTimeout(t, patience))
				if r.Status != status || r.Cause != want || !strings.Contains(r.Detail, words) || !printable(r.Detail) {
					t.Errorf("hard %v: %s %s: %s; want %s: …%s…", hard, r.Status, r.Cause, r.Detail, want, words)
				}
				told := r.Evidence.(*TLSEvidence).Revocation
				if len(told) != 2 || told[0].Source != c.source || told[0].Mode != target.Revocation.mode() {
					t.Errorf("hard %v: evidence %+v", hard, told)
				}
				if c.hard == isUnknown && len(told[0].Failures) == 0 {
					t.Errorf("hard %v: the evidence has no failures", hard)
				}
			}
		})
	}
}

// leaves issues the certificates of the cases, and enters them in the index.
func (b *bureau) leaves(cases []verdictCase) map[string]*paper {
	b.t.Helper()
	all := map[string]*paper{}
	for _, c := range cases {
		all[c.name] = b.leaf(b.t, c.changes...)
		if !c.absent {
			b.record(all[c.name].Cert, c.revoked)
		}
	}
	return all
}

const (
	isRevoked = check.CertRevoked
	isUnknown = check.CertRevocationUnknown
)

// TestRevocationByOCSP asks responders that openssl runs, and what is none.
func TestRevocationByOCSP(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	named := func(name string) change { return func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: name} } }
	delegate := sign(t, newKey(t), b.intermediate, ocspSigning, named("Responder"))
	usage := sign(t, newKey(t), b.intermediate, named("No Responder"))
	foreign := sign(t, newKey(t), b.stranger, ocspSigning, named("Foreign Responder"))
	past := sign(t, newKey(t), b.intermediate, ocspSigning, named("Old Responder"), lasting(-9*oneDay, -oneDay))
	own := b.desk("own", b.intermediate, "", "-ndays", "1")
	by := b.desk("delegate", delegate, "", "-ndays", "1")
	closed := fmt.Sprintf("http://127.0.0.1:%d/", freePort(t))
	silent := fmt.Sprintf("http://127.0.0.1:%d/", startTCP(t, untilClosed))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/unauthorized":
			_, _ = w.Write([]byte{0x30, 3, 0x0a, 1, 6})
		case "/later":
			_, _ = w.Write([]byte{0x30, 3, 0x0a, 1, 3})
		case "/garbage":
			_, _ = io.WriteString(w, "<html>\x1b[31m not here")
		case "/large":
			_, _ = w.Write(bytes.Repeat([]byte{0x30}, 70<<10))
		case "/moved":
			http.Redirect(w, r, by, http.StatusTemporaryRedirect)
		case "/https":
			http.Redirect(w, r, "https://localhost/", http.StatusTemporaryRedirect)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(web.Close)
	at := func(path string) []change { return []change{asks(web.URL + path)} }
	cases := []verdictCase{
		{name: "good", changes: []change{asks(own)}, source: "ocsp"},
		{name: "delegate", changes: []change{asks(by)}, source: "ocsp"},
		{name: "bare", changes: []change{asks(b.desk("bare", b.intermediate, "", "-resp_no_certs"))}, source: "ocsp"},
		{name: "by key", changes: []change{asks(b.desk("key", delegate, "", "-nmin", "5", "-resp_key_id"))}, source: "ocsp"},
		{name: "revoked", changes: []change{asks(by)}, revoked: "keyCompromise", soft: isRevoked, hard: isRevoked,
			words:  "the certificate was revoked on " + time.Now().Add(-time.Hour).UTC().Format("2006-01-02 "),
			source: "ocsp"},
		{name: "revoked why", changes: []change{asks(own)}, revoked: "cessationOfOperation", soft: isRevoked,
			hard: isRevoked, source: "ocsp",
			words: "(cessationOfOperation): so says its authority CN=Test Intermediate, by its OCSP responder"},
		{name: "unknown", changes: []change{asks(own)}, absent: true, hard: isUnknown,
			words: "cannot be told: OCSP of \"" + own + "\": not known: the responder does not know the certificate"},
		{name: "stale", changes: []change{asks(b.desk("stale", delegate, "-3d", "-ndays", "1"))}, hard: isUnknown,
			words: "stale: it held until "},
		{name: "future", changes: []change{asks(b.desk("future", delegate, "+2d", "-ndays", "1"))}, hard: isUnknown,
			words: "not yet valid: it is of "},
		{name: "undated", changes: []change{asks(b.desk("undated", delegate, "-2h"))}, hard: isUnknown,
			words: "says no time until which it holds"},
		{name: "foreign", changes: []change{asks(b.desk("foreign", foreign, "", "-ndays", "1"))}, hard: isUnknown,
			words: `unauthorized: "CN=Foreign Responder" signed it, which is not of the issuer "CN=Test Intermediate"`},
		{name: "usage", changes: []change{asks(b.desk("usage", usage, "", "-ndays", "1"))}, hard: isUnknown,
			words: `unauthorized: "CN=No Responder" signed it, whose usages lack OCSP signing`},
		{name: "past", changes: []change{asks(b.desk("past", past, "", "-ndays", "1"))}, hard: isUnknown,
			words: `unauthorized: "CN=Old Responder" signed it, whose certificate is outside of its dates`},
		{name: "hidden", changes: []change{asks(b.desk("hidden", foreign, "", "-resp_no_certs"))}, hard: isUnknown,
			words: "bad signature: neither the issuer"},
		{name: "down", changes: []change{asks(closed)}, hard: isUnknown, words: "unreachable: dial tcp 127.0.0.1:"},
		{name: "silent", changes: []change{asks(silent)}, hard: isUnknown, words: "unreachable: no answer in time"},
		{name: "404", changes: at("/"), hard: isUnknown, words: "unreachable: HTTP status 404 Not Found"},
		{name: "unauthorized", changes: at("/unauthorized"), hard: isUnknown, words: "unauthorized: the responder says"},
		{name: "later", changes: at("/later"), hard: isUnknown, words: "refused: the responder says to try later"},
		{name: "garbage", changes: at("/garbage"), hard: isUnknown, words: "malformed: it is no OCSP response"},
		{name: "large", changes: at("/large"), hard: isUnknown, words: "too large: more than 65536 bytes"},
		{name: "moved", changes: at("/moved"), source: "ocsp"},
		{name: "https", changes: at("/https"), hard: isUnknown, words: "only http is fetched"},
		{name: "second", changes: []change{asks(closed), asks(own)}, source: "ocsp"},
		{name: "none", hard: isUnknown, words: "names neither an OCSP responder nor a list"},
		{name: "ldap", changes: []change{listedAt("ldap:///CN=CA?certificateRevocationList")}, hard: isUnknown,
			words: "no OCSP responder and no list on http"},
	}
	b.try(cases, b.leaves(cases))
}

// TestRevocationByCRL has nginx publish what openssl ca made, and what is none.
func TestRevocationByCRL(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	closed := fmt.Sprintf("http://127.0.0.1:%d/", freePort(t))
	at := func(name string) []change { return []change{listedAt(b.lists + name + ".crl")} }
	point := "issuingDistributionPoint = critical, @point\n[point]\n"
	elsewhere := b.desk("elsewhere", sign(t, newKey(t), b.stranger), "")
	cases := []verdictCase{
		{name: "good", changes: at("good"), source: "crl"},
		{name: "revoked", changes: at("good"), revoked: "superseded", soft: isRevoked, hard: isRevoked, source: "crl",
			words: "(superseded): so says its authority CN=Test Intermediate, by its list of revocations (CRL)"},
		{name: "on hold", changes: at("good"), revoked: "holdInstruction,holdInstructionReject", soft: isRevoked,
			hard: isRevoked, source: "crl", words: "(certificateHold)"},
		{name: "pem", changes: []change{listedAt(b.lists + "good.pem")}, source: "crl"},
		{name: "moved", changes: []change{listedAt(b.lists + "moved")}, source: "crl"},
		{name: "after OCSP", changes: []change{asks(closed), listedAt(b.lists + "good.crl")}, source: "crl"},
		{name: "after bad OCSP", changes: []change{asks(elsewhere), listedAt(b.lists + "good.crl")},
			revoked: "keyCompromise", soft: isRevoked, hard: isRevoked, words: "(keyCompromise)", source: "crl"},
		{name: "stale", changes: at("stale"), hard: isUnknown, words: "stale: it held until "},
		{name: "foreign", changes: at("foreign"), hard: isUnknown, words: `"CN=Stranger Root" issued the list`},
		{name: "forged", changes: at("forged"), hard: isUnknown, words: "bad signature: its issuer"},
		{name: "delta", changes: at("delta"), hard: isUnknown, words: "unsupported: it only has what changed"},
		{name: "indirect", changes: at("indirect"), hard: isUnknown, words: "unsupported: it holds certificates of other"},
		{name: "authorities", changes: at("authorities"), hard: isUnknown, words: "mismatched: the list only has"},
		{name: "users", changes: at("users"), source: "crl"},
		{name: "attributes", changes: at("attributes"), hard: isUnknown, words: "unsupported: it only has attribute"},
		{name: "some reasons", changes: at("reasons"), hard: isUnknown, words: "for some reasons only"},
		{name: "some reasons revoked", changes: at("reasons"), revoked: "keyCompromise", soft: isRevoked, hard: isRevoked,
			words: "(keyCompromise)", source: "crl"},
		{name: "own place", changes: at("place"), source: "crl"},
		{name: "another place", changes: at("displaced"), hard: isUnknown, words: "mismatched: the list is for"},
		{name: "garbage", changes: at("garbage"), hard: isUnknown, words: "malformed: it is no list"},
		{name: "huge", changes: at("huge"), hard: isUnknown, words: "too large: more than 10485760 bytes"},
		{name: "gone", changes: at("gone"), hard: isUnknown, words: "unreachable: HTTP status 404 Not Found"},
		{name: "second", changes: []change{listedAt(closed), listedAt(b.lists + "good.crl")}, source: "crl"},
	}
	leaves := b.leaves(cases)
	b.list("good", b.intermediate, "", "")
	b.list("stale", b.intermediate, "-5d", "")
	b.list("foreign", b.stranger, "", "")
	b.list("forged", sign(t, newKey(t), nil, asAuthority("Test Intermediate"), mayList), "", "")
	b.list("delta", b.intermediate, "", "2.5.29.27 = critical, ASN1:INTEGER:1")
	b.list("indirect", b.intermediate, "", point+"indirectCRL = TRUE")
	b.list("authorities", b.intermediate, "", point+"onlyCA = TRUE")
	b.list("users", b.intermediate, "", point+"onlyuser = TRUE")
	b.list("attributes", b.intermediate, "", point+"onlyAA = TRUE")
	b.list("reasons", b.intermediate, "", point+"onlysomereasons = keyCompromise, CACompromise")
	b.list("place", b.intermediate, "", point+"fullname = URI:"+b.lists+"place.crl")
	b.list("displaced", b.intermediate, "", point+"fullname = URI:"+b.lists+"elsewhere.crl")
	b.write("garbage.crl", "<html>")
	b.write("huge.crl", strings.Repeat("0", revocation.MaxCRL+1))
	b.try(cases, leaves)
	b.agreesOnLists(leaves)
}

// agreesOnLists compares with openssl verify.
func (b *bureau) agreesOnLists(leaves map[string]*paper) {
	b.t.Helper()
	roots, _ := files(b.t, b.root)
	for name, want := range map[string]string{
		"good": "OK", "revoked": "certificate revoked", "on hold": "certificate revoked", "stale": "CRL has expired",
		"forged": "unable to get certificate CRL", "authorities": "different CRL scope", "users": "OK",
		"another place": "different CRL scope",
	} {
		list := map[string]string{"revoked": "good", "on hold": "good", "another place": "displaced"}[name]
		if list == "" {
			list = name
		}
		own, _ := files(b.t, leaves[name])
		out, _ := combined(b, "verify", "-crl_check", "-extended_crl", "-CAfile", roots, "-untrusted", b.ca, "-CRLfile",
			b.path(list+".pem"), own)
		if !strings.Contains(out, want) {
			b.t.Errorf("openssl verify of %s: %s", name, out)
		}
	}
}

// TestRevocationByStaple has nginx staple what openssl made.
func TestRevocationByStaple(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	must := func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: []byte{0x30, 3, 2, 1, 5},
		})
	}
	free := func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{2, 5, 29, 56}, Value: []byte{5, 0},
		})
	}
	by := b.desk("own", b.intermediate, "", "-ndays", "1")
	cases := []verdictCase{
		{name: "good", source: "staple"},
		{name: "must", changes: []change{must}, source: "staple"},
		{name: "revoked", revoked: "keyCompromise", soft: isRevoked, hard: isRevoked, source: "staple",
			words: "so says its authority CN=Test Intermediate, by the OCSP response that the server staples"},
		{name: "unknown", absent: true, hard: isUnknown, words: "stapled OCSP response: not known"},
		{name: "stale", hard: isUnknown, words: "stapled OCSP response: stale: it held until "},
		{name: "stale but asked", changes: []change{asks(by)}, source: "ocsp"},
		{name: "must but stale", changes: []change{must, asks(by)}, hard: isUnknown, source: "ocsp",
			words: "is not good without a stapled answer: stapled OCSP response: stale"},
		{name: "must but none", changes: []change{must, asks(by)}, hard: isUnknown, source: "ocsp",
			words: "demands one of its server, which sends none"},
		{name: "of another", hard: isUnknown, words: "stapled OCSP response: mismatched: it is about other certificates"},
		{name: "foreign", hard: isUnknown, words: "stapled OCSP response: unauthorized: "},
		{name: "never revoked", changes: []change{free}},
	}
	leaves := b.leaves(cases)
	for i, c := range cases {
		signer, about, shift := b.intermediate, leaves[c.name], ""
		switch c.name {
		case "must but none", "never revoked":
			continue
		case "stale", "stale but asked", "must but stale":
			shift = "-8d"
		case "of another":
			about = leaves["good"]
		case "foreign":
			signer = b.stranger
		}
		cases[i].staple = b.staple(fmt.Sprintf("staple%d", i), about, signer, shift, "-ndays", "7")
	}
	b.try(cases, leaves)
	b.agreesOnStaples(leaves["revoked"], cases[2].staple)
	ports := startNginx(t, map[string][]*paper{"stale": {leaves["stale"], b.intermediate}},
		map[string]string{"stale": cases[4].staple})
	target := localTarget(ports["stale"], b.roots)
	target.Revocation.Checker = revocation.NewChecker()
	expectResult(t, target, check.OK, "", "; stapled OCSP response: stale: it held until ", "tls")
	target.Revocation.Checker = nil
	r := expectResult(t, target, check.OK, "", "", "tls")
	if strings.Contains(r.Detail, "stale") || r.Evidence.(*TLSEvidence).Revocation != nil {
		t.Errorf("it was looked at all the same: %s", r.Detail)
	}
}

// agreesOnStaples compares with openssl s_client.
func (b *bureau) agreesOnStaples(leaf *paper, line string) {
	b.t.Helper()
	port := startNginx(b.t, map[string][]*paper{"": {leaf, b.intermediate}}, map[string]string{"": line})[""]
	roots, _ := files(b.t, b.root)
	out, _ := combined(b, "s_client", "-connect", fmt.Sprintf("127.0.0.1:%d", port), "-status", "-CAfile", roots)
	if !strings.Contains(out, "Cert Status: revoked") || !strings.Contains(out, "Revocation Reason: keyCompromise") {
		b.t.Errorf("openssl s_client: %s", out)
	}
}

// TestRevokedIntermediate: what vouches for the server is asked about, too.
func TestRevokedIntermediate(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	b.record(b.intermediate.Cert, "CACompromise")
	b.list("root", b.root, "", "")
	leaf := b.leaf(t)
	port := startNginx(t, map[string][]*paper{"": {leaf, b.intermediate}}, nil)[""]
	target := localTarget(port, b.roots)
	target.Revocation = Revocation{Checker: revocation.NewChecker()}
	r := expectResult(t, target, check.Fail, check.CertRevoked,
		"the intermediate certificate CN=Test Intermediate was revoked on ", "tls")
	if told := r.Evidence.(*TLSEvidence).Revocation; len(told) != 2 || told[1].Status != "revoked" ||
		told[1].Reason != "cACompromise" || told[1].RevokedAt == nil || told[0].Status != "unknown" {
		t.Errorf("%+v", told)
	}
}

// TestRevokedServerIsToldNothing: once known, nothing more is said to it.
func TestRevokedServerIsToldNothing(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	leaf := b.leaf(t, asks(b.desk("own", b.intermediate, "", "-ndays", "1")))
	b.record(leaf.Cert, "keyCompromise")
	port := startNginx(t, map[string][]*paper{"": {leaf, b.intermediate}}, nil)[""]
	target := localTarget(port, b.roots)
	target.Revocation = Revocation{Checker: revocation.NewChecker()}
	target.HTTP = &HTTPRequest{Method: "HEAD", Path: "/", Statuses: []StatusRange{{200, 499}}}
	expectResult(t, target, check.Fail, check.CertRevoked, "by its OCSP responder", "http")
	expectResult(t, target, check.Fail, check.CertRevoked, "by its OCSP responder", "tls")
	if asked := len(b.asked["own"].count); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	target.Revocation = Revocation{Checker: revocation.NewChecker(), Hard: true}
	expectResult(t, target, check.Fail, check.CertRevoked, "by its OCSP responder", "tls")
}

// TestHardAsksFirst: where an answer is insisted on, nothing is said to a server of which there is none.
func TestHardAsksFirst(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	leaf := b.leaf(t, asks(fmt.Sprintf("http://127.0.0.1:%d/", freePort(t))))
	target := localTarget(startNginx(t, map[string][]*paper{"": {leaf, b.intermediate}}, nil)[""], b.roots)
	target.HTTP = &HTTPRequest{Method: "HEAD", Path: "/", Statuses: []StatusRange{{200, 499}}}
	target.Revocation = Revocation{Checker: revocation.NewChecker(), Hard: true}
	expectResult(t, target, check.Fail, check.CertRevocationUnknown, "cannot be told", "tls")
	target.Revocation.Hard = false
	expectResult(t, target, check.OK, "", "", "http")
}

// TestSilentAuthoritiesCostLittle: a responder and a list that hang take a part of one run, and none of the next.
func TestSilentAuthoritiesCostLittle(t *testing.T) {
	t.Parallel()
	b := newBureau(t)
	connections := make(chan struct{}, 64)
	silent := fmt.Sprintf("http://127.0.0.1:%d/", startTCP(t, func(conn *net.TCPConn) {
		connections <- struct{}{}
		untilClosed(conn)
	}))
	leaf := b.leaf(t, asks(silent), listedAt(silent))
	port := startNginx(t, map[string][]*paper{"": {leaf, b.intermediate}}, nil)[""]
	target := localTarget(port, b.roots)
	target.Revocation = Revocation{Checker: revocation.NewChecker()}
	run := TLS(target)
	timed := func() (check.Result, time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		return run(ctx), time.Since(start)
	}
	r, first := timed()
	if r.Status != check.OK || first > 1800*time.Millisecond || first < 100*time.Millisecond || len(connections) != 2 {
		t.Errorf("the first: %v in %v after %d connections", r, first, len(connections))
	}
	r, second := timed()
	if r.Status != check.OK || second > first || len(connections) != 2 {
		t.Errorf("the second: %v in %v after %d connections", r, second, len(connections))
	}
}

// combined is what openssl says on both outputs, without input.
func combined(b *bureau, args ...string) (string, error) {
	cmd := exec.CommandContext(b.t.Context(), b.openssl, args...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
