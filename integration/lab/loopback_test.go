package lab_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/miekg/dns"

	"sallyport/integration/lab"
)

// TestLoopback wants an answer of each server, with its own name's certificate, and none any more after Close.
func TestLoopback(t *testing.T) {
	dir := t.TempDir()
	servers, err := lab.NewLoopback(limit(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "roots.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	for address, name := range map[string]string{"127.0.0.1:443": lab.CloudName, "[::1]:636": lab.DirectoryName} {
		conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, RootCAs: roots})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		_ = conn.Close()
	}
	query := new(dns.Msg).SetQuestion(dns.Fqdn(lab.CloudName), dns.TypeA)
	if answer, err := dns.ExchangeContext(limit(t), query, "127.0.0.1:53"); err != nil || len(answer.Answer) != 1 {
		t.Errorf("no address of %s: %v %v", lab.CloudName, answer, err)
	}
	if err := servers.Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", "127.0.0.1:443"); err == nil {
		_ = conn.Close()
		t.Error("a server outlives its end")
	}
}
