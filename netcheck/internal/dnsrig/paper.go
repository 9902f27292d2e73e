package dnsrig

import (
	"crypto/x509"
	"encoding/pem"
	"net"
	"path/filepath"
	"testing"
	"time"

	"sallyport/tlsprobe"
	"sallyport/tlsprobe/tlsprobetest"
)

// Name is whom the certificate of the servers by TLS names, besides their address.
const Name = "dns.rig.test"

// paper writes a certificate for the servers by TLS and HTTPS and its key, and returns the authority.
func paper(t *testing.T) (certFile, keyFile string, roots *tlsprobe.Roots) {
	t.Helper()
	office := tlsprobetest.Office{Now: time.Now(), Name: Name}
	root := office.Issue(t, tlsprobetest.NewKey(t), nil, office.Authority("Rig Root"))
	leaf := office.Issue(t, tlsprobetest.NewKey(t), root, func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	})
	der, err := x509.MarshalPKCS8PrivateKey(leaf.Key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeFile(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Cert.Raw})))
	writeFile(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	return certFile, keyFile, tlsprobe.NewRoots(root.Cert)
}
