package tlsprobe

import (
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// spoiled is one way to spoil a certificate of a chain; none for the zero value.
type spoiled struct {
	name   string
	change change
	stern  bool // only this package refuses it, not crypto/x509 nor openssl
}

func spoils() []spoiled {
	return []spoiled{
		{"expired", valid(-300*day24, -day24), false},
		{"future", valid(day24, 300*day24), false},
		{"no authority", func(c *x509.Certificate) { c.IsCA, c.MaxPathLen = false, 0 }, false},
		{"path length 0", func(c *x509.Certificate) { c.MaxPathLenZero = c.IsCA }, false},
		{"for clients", clientsOnly, false},
		{"for lists", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, true},
		{"bound", func(c *x509.Certificate) {
			if c.IsCA {
				c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"elsewhere.test"}
			}
		}, false},
		{"another name", func(c *x509.Certificate) { c.DNSNames = []string{"elsewhere.test"} }, false},
	}
}

// TestVerifyBesidePeers makes chains of up to three authorities, spoils some of their certificates, and has crypto/x509 and
// openssl verify judge them too: what one of these refuses is never trusted, and what both take is refused only for a
// reason of which this package alone has it.
func TestVerifyBesidePeers(t *testing.T) {
	t.Parallel()
	openssl(t)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 2))
	good, refused := 0, 0
	for range 120 {
		papers, how, stern := spoiledChain(t, random)
		top := papers[len(papers)-1]
		sent := papers[:len(papers)-1]
		if random.IntN(8) == 0 && len(sent) > 1 {
			sent, how = slices.Delete(slices.Clone(sent), 1, 2), append(how, "left out 1")
		}
		v := Verify(certsOf(sent...), house1(NewRoots(top.Cert)))
		byLibrary, byOpenSSL := libraryRefuses(certsOf(sent...), top.Cert), opensslRefuses(t, sent, top)
		if v.Trusted() && (byLibrary != "" || byOpenSSL != "") {
			t.Errorf("seed %d, %q: trusted, but crypto/x509 %q, openssl %q", seed, how, byLibrary, byOpenSSL)
		}
		if !v.Trusted() && byLibrary == "" && byOpenSSL == "" && !stern {
			t.Errorf("seed %d, %q: refused alone: %+v", seed, how, v.Findings)
		}
		if v.Trusted() {
			good++
		} else {
			refused++
		}
	}
	if good < 10 || refused < 10 {
		t.Errorf("%d trusted, %d refused: nothing was compared", good, refused)
	}
}

// spoiledChain is a chain, the server's own first and its root last, with what was done to it.
func spoiledChain(t *testing.T, random *rand.Rand) (papers []*issued, how []string, stern bool) {
	t.Helper()
	spoil := func(at string) change {
		if random.IntN(4) > 0 {
			return func(*x509.Certificate) {}
		}
		one := spoils()[random.IntN(len(spoils()))]
		how, stern = append(how, at+" "+one.name), stern || one.stern
		return one.change
	}
	papers = []*issued{issue(t, nil, authority("Root"), spoil("root"))}
	for i := range random.IntN(3) {
		name := fmt.Sprintf("CA %d", i)
		papers = slices.Insert(papers, 0, issue(t, papers[0], authority(name), spoil(name)))
	}
	return slices.Insert(papers, 0, issue(t, papers[0], spoil("server"))), how, stern
}

func libraryRefuses(sent []*x509.Certificate, root *x509.Certificate) string {
	o := x509.VerifyOptions{
		DNSName: "host.test", Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now(),
	}
	o.Roots.AddCert(root)
	for _, cert := range sent[1:] {
		o.Intermediates.AddCert(cert)
	}
	if _, err := sent[0].Verify(o); err != nil {
		return err.Error()
	}
	return ""
}

func opensslRefuses(t *testing.T, sent []*issued, root *issued) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{
		"verify", "-no-CApath", "-no-CAstore", "-CAfile", write1(t, filepath.Join(dir, "root.pem"), pemOf(root)),
		"-purpose", "sslserver", "-verify_hostname", "host.test", "-attime", fmt.Sprint(now().Unix()),
	}
	if len(sent) > 1 {
		args = append(args, "-untrusted", write1(t, filepath.Join(dir, "sent.pem"), pemOf(sent[1:]...)))
	}
	args = append(args, write1(t, filepath.Join(dir, "server.pem"), pemOf(sent[0])))
	out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput()
	if err == nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
