package netcheck

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/tlsprobe"
)

// bureau is an authority whose OCSP responses and lists openssl makes, by an index of its certificates. The responses go
// out by a web server that hands each question to openssl, the lists by nginx.
type bureau struct {
	registry
	t       *testing.T
	openssl string
	folder  string
	ca      string // file of the intermediate, which issues; the root's list is of it
	asked   map[string]*bureauDesk
	ocsp    string // address of the responders, each with a path of its own
	lists   string // address of nginx
}

// bureauDesk is how one responder answers.
type bureauDesk struct {
	args  []string // of openssl
	shift string   // FAKETIME; empty: now
	count chan struct{}
}

func newBureau(t *testing.T) *bureau {
	t.Helper()
	b := &bureau{t: t, openssl: needProgram(t, "openssl"), folder: t.TempDir(), asked: map[string]*bureauDesk{}}
	b.registry = newRegistry(t)
	b.root = sign(t, newKey(t), nil, asAuthority("Test Root"), mayList)
	b.roots = tlsprobe.NewRoots(b.root.Cert)
	b.write("index", "")
	b.write("index.attr", "unique_subject = no\n")
	server := httptest.NewServer(http.HandlerFunc(b.answer))
	t.Cleanup(server.Close)
	b.ocsp = server.URL + "/"
	_, port := startPlainNginx(t, fmt.Sprintf("root %s; location /moved { return 302 /good.crl; }", b.folder))
	b.lists = fmt.Sprintf("http://127.0.0.1:%d/", port)
	b.intermediate = sign(t, newKey(t), b.root, asAuthority("Test Intermediate"), listedAt(b.list("root", b.root, "", "")),
		mayList)
	b.ca, _ = files(t, b.intermediate)
	return b
}

func (b *bureau) path(name string) string { return filepath.Join(b.folder, name) }

func (b *bureau) write(name, content string) { b.t.Helper(); writeFile(b.t, b.path(name), content) }

// record enters a certificate in the index: V for a valid one, R for a revoked one, with when and why.
func (b *bureau) record(cert *x509.Certificate, revoked string) {
	b.t.Helper()
	const layout = "060102150405Z"
	flag, at := "V", ""
	if revoked != "" {
		flag, at = "R", time.Now().Add(-time.Hour).UTC().Format(layout)+","+revoked
	}
	serial := strings.ToUpper(cert.SerialNumber.Text(16))
	if len(serial)%2 == 1 {
		serial = "0" + serial
	}
	line := strings.Join([]string{flag, cert.NotAfter.UTC().Format(layout), at, serial, "unknown", "/CN=localhost"}, "\t")
	b.write("index", readFile(b.t, b.path("index"))+line+"\n")
}

// run is openssl, at another time where shift is one.
func (b *bureau) run(shift string, args ...string) []byte {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), b.openssl, args...)
	if shift != "" {
		library := needFile(b.t, "/usr/lib/*/faketime/libfaketime.so.1")
		cmd.Env = append(os.Environ(), "LD_PRELOAD="+library, "FAKETIME="+shift)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		b.t.Errorf("%v: %v: %s", cmd, err, said.String())
	}
	return out
}

// desk sets up a responder that signs with a paper's key.
func (b *bureau) desk(name string, signer *paper, shift string, args ...string) string {
	b.t.Helper()
	cert, key := files(b.t, signer)
	b.asked[name] = &bureauDesk{shift: shift, count: make(chan struct{}, 64),
		args: append([]string{"ocsp", "-index", b.path("index"), "-CA", b.ca, "-rsigner", cert, "-rkey", key}, args...)}
	return b.ocsp + name
}

// answer has openssl answer a question.
func (b *bureau) answer(w http.ResponseWriter, r *http.Request) {
	desk, ok := b.asked[r.URL.Path[1:]]
	if !ok {
		http.NotFound(w, r)
		return
	}
	desk.count <- struct{}{}
	question, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Type") != "application/ocsp-request" {
		b.t.Errorf("asked %v: %s", err, r.Header)
	}
	folder, err := os.MkdirTemp(b.folder, "asked-")
	if err != nil {
		b.t.Error(err)
		return
	}
	in, out := filepath.Join(folder, "in"), filepath.Join(folder, "out")
	if err := os.WriteFile(in, question, 0o600); err != nil {
		b.t.Error(err)
	}
	b.run(desk.shift, append(desk.args, "-reqin", in, "-respout", out)...)
	response, err := os.ReadFile(out)
	if err != nil {
		b.t.Error(err)
	}
	_, _ = w.Write(response)
}

// staple is a file with a response about a certificate, as nginx staples it.
func (b *bureau) staple(name string, leaf *paper, signer *paper, shift string, args ...string) string {
	b.t.Helper()
	cert, key := files(b.t, signer)
	own, _ := files(b.t, leaf)
	b.run(shift, append([]string{"ocsp", "-index", b.path("index"), "-CA", b.ca, "-rsigner", cert, "-rkey", key,
		"-issuer", b.ca, "-cert", own, "-no_nonce", "-noverify", "-respout", b.path(name)}, args...)...)
	return fmt.Sprintf("ssl_stapling on; ssl_stapling_file %s;", b.path(name))
}

// list makes a list of revocations with those extensions, and is its address.
func (b *bureau) list(name string, signer *paper, shift, extensions string) string {
	b.t.Helper()
	cert, key := files(b.t, signer)
	b.write(name+".number", "01\n")
	b.write(name+".conf", fmt.Sprintf(`[ca]
default_ca = own
[own]
database = %s
crlnumber = %s
default_md = sha256
crl_extensions = more
[more]
authorityKeyIdentifier = keyid
%s
`, b.path("index"), b.path(name+".number"), extensions))
	b.run(shift, "ca", "-config", b.path(name+".conf"), "-gencrl", "-cert", cert, "-keyfile", key, "-crldays", "2",
		"-out", b.path(name+".pem"))
	b.run("", "crl", "-in", b.path(name+".pem"), "-outform", "DER", "-out", b.path(name+".crl"))
	return b.lists + name + ".crl"
}

// asks names the responder of a certificate, listedAt its list.
func asks(address string) change {
	return func(c *x509.Certificate) { c.OCSPServer = append(c.OCSPServer, address) }
}

func listedAt(address string) change {
	return func(c *x509.Certificate) { c.CRLDistributionPoints = append(c.CRLDistributionPoints, address) }
}

// mayList lets an authority sign lists.
func mayList(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }

// ocspSigning makes a certificate that of a responder.
func ocspSigning(c *x509.Certificate) {
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
}
