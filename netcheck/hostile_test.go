package netcheck

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/netcheck/resolver"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/fetch"
	"sallyport/tlsprobe/tlsprobetest"
)

// door is the layer at which a server turns hostile: everything below it is as it should be.
type door string

const (
	doorTLS      door = "tls"      // before TLS
	doorHTTP     door = "http"     // instead of an answer to a request
	doorProxy    door = "proxy"    // instead of an answer to CONNECT
	doorDNSTCP   door = "dns tcp"  // instead of an answer to a question
	doorDoT      door = "dot"      // the same, by TLS
	doorDoH      door = "doh"      // the same, by HTTPS
	doorBind     door = "bind"     // instead of an answer to the first request of LDAP
	doorSearch   door = "search"   // after a bind and a rootDSE
	doorStartTLS door = "starttls" // instead of an answer to StartTLS
	doorExternal door = "external" // instead of an answer to a bind by certificate
	doorIssuer   door = "issuer"   // instead of the certificate that the chain lacks
)

func allDoors() []door {
	return []door{doorTLS, doorHTTP, doorProxy, doorDNSTCP, doorDoT, doorDoH, doorBind, doorSearch, doorStartTLS,
		doorExternal, doorIssuer}
}

// meeting is a hostile server to be met, as another process can be told of it.
type meeting struct {
	Door  door
	Port  uint16
	Other uint16 // of the proxy
	Roots string // a file
	Own   ClientCertificate
}

// hostility is what a server does from its door on. Asked is the first that it was sent there.
type hostility func(conn net.Conn, asked []byte)

// stage has what hostile servers need to behave well below their doors.
type stage struct {
	registry
	pair tls.Certificate
	file string // of the roots
	own  ClientCertificate
}

func newStage(t *testing.T) stage {
	t.Helper()
	r := newRegistry(t)
	s := stage{registry: r, pair: tlsprobetest.Chain(r.leaf(t), r.intermediate), own: own(t, r.leaf(t, asClient))}
	s.file = t.TempDir() + "/roots.pem"
	writeFile(t, s.file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.root.Cert.Raw})))
	return s
}

// open starts a server that is hostile from that door on.
func (s stage) open(t *testing.T, at door, act hostility) meeting {
	t.Helper()
	m := meeting{Door: at, Roots: s.file, Own: s.own}
	plain := func(conn net.Conn) { act(conn, heard(conn)) }
	config := &tls.Config{Certificates: []tls.Certificate{s.pair}, NextProtos: []string{"http/1.1"}}
	secured := func(then func(net.Conn)) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			server := tls.Server(conn, config)
			if server.Handshake() == nil {
				then(server)
			}
		}
	}
	switch at {
	case doorTLS, doorProxy, doorDNSTCP, doorStartTLS:
		m.Port = startTCP(t, func(conn *net.TCPConn) { plain(conn) })
	case doorSearch:
		m.Port = startTCP(t, secured(func(conn net.Conn) { leftToSearch(conn, act) }))
	case doorExternal:
		config.ClientAuth = tls.RequestClientCert
		m.Port = startTCP(t, secured(plain))
	case doorIssuer:
		publisher := startTCP(t, func(conn *net.TCPConn) { plain(conn) })
		config.Certificates = []tls.Certificate{tlsprobetest.Chain(s.leaf(t, func(c *x509.Certificate) {
			c.IssuingCertificateURL = []string{fmt.Sprintf("http://127.0.0.1:%d/ca.crt", publisher)}
		}))}
		m.Port = startTCP(t, secured(func(net.Conn) {}))
	default:
		m.Port = startTCP(t, secured(plain))
	}
	return m
}

// heard is the first that comes over a connection.
func heard(conn net.Conn) []byte {
	first := make([]byte, 1<<14)
	n, _ := conn.Read(first)
	return first[:n]
}

// leftToSearch answers a bind and the rootDSE as it should, and leaves the search.
func leftToSearch(conn net.Conn, act hostility) {
	answers := [][]byte{
		message(1, result(0x61, 0, "")), append(message(2, entry("")), message(2, result(0x65, 0, ""))...),
	}
	for _, answer := range answers {
		_ = heard(conn)
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
	act(conn, heard(conn))
}

// run is the check that meets the server.
func (m meeting) run() (func(context.Context) check.Result, error) {
	roots, err := tlsprobe.LoadRoots([]string{m.Roots})
	if err != nil {
		return nil, err
	}
	address := local(int(m.Port))
	server := Server{Host: "127.0.0.1", Port: m.Port, Roots: roots}
	byTransport := func(s resolver.Server) (func(context.Context) check.Result, error) {
		s.Secure = SecureDNS(roots)
		return DNS(DNSTarget{Query: "www.zone.test", Type: "A", Servers: []resolver.Server{s}}), nil
	}
	target := LDAPSTarget{Server: server, BaseDN: "dc=test", MinEntries: 5, StartTLS: m.Door == doorStartTLS}
	switch m.Door {
	case doorDNSTCP:
		return byTransport(resolver.Server{Transport: resolver.TCP, Address: address})
	case doorDoT:
		return byTransport(resolver.Server{Transport: resolver.TLS, Address: address})
	case doorDoH:
		return byTransport(resolver.Server{Transport: resolver.HTTPS, URL: "https://" + address.String() + "/dns-query"})
	case doorExternal:
		target.SASLExternal, target.ClientCertificate = true, m.Own
		return LDAPS(target), nil
	case doorBind, doorSearch, doorStartTLS:
		return LDAPS(target), nil
	case doorProxy:
		server.Proxy = &Proxy{Host: "127.0.0.1", Port: m.Port}
		server.Port = 443
	case doorIssuer:
		server.FetchIssuer = func(ctx context.Context, from string) ([]byte, error) { return fetch.Get(ctx, from, 64<<10) }
	case doorHTTP:
		return TLS(TLSTarget{Server: server, HTTP: asking(http.MethodGet)}), nil
	}
	return TLS(TLSTarget{Server: server}), nil
}

// layers are those which may be blamed for a server that is hostile from that door on.
func (m meeting) layers() []check.Layer {
	switch m.Door {
	case doorProxy:
		return []check.Layer{check.LayerProxy, check.LayerTLS}
	case doorHTTP:
		return []check.Layer{check.LayerHTTP}
	case doorDNSTCP, doorDoT:
		return []check.Layer{check.LayerDNS}
	case doorDoH:
		return []check.Layer{check.LayerDNS, check.LayerHTTP}
	case doorBind, doorSearch, doorExternal:
		return []check.Layer{check.LayerLDAP}
	case doorStartTLS:
		return []check.Layer{check.LayerLDAP, check.LayerTLS}
	case doorIssuer:
		return []check.Layer{check.LayerCertificate}
	default:
		return []check.Layer{check.LayerTLS, check.LayerCertificate}
	}
}

// TestHostileServers has a server turn hostile at each layer, in each way. The run ends within its deadline, blames that
// layer by a cause that has a name, and shows nothing raw.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	const deadline, atOnce = 600 * time.Millisecond, 8
	places := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for name, acts := range hostilities() {
		for at, act := range acts {
			m := s.open(t, at, act)
			run, err := m.run()
			if err != nil {
				t.Fatal(err)
			}
			running.Go(func() {
				places <- struct{}{}
				defer func() { <-places }()
				var r check.Result
				late := overdue(deadline, func(ctx context.Context) { r = run(ctx) })
				if late > 0 {
					t.Errorf("%s at %s: %s too late", name, at, late)
				}
				m.expect(t, name, r)
			})
		}
	}
	running.Wait()
}

// expect holds what is said of a hostile server.
func (m meeting) expect(t *testing.T, name string, r check.Result) {
	t.Helper()
	counted := m.Door == doorSearch && name == "entries without end" // enough is enough
	if !counted && (r.Status != check.Fail || !slices.Contains(m.layers(), r.Cause.Layer()) || r.Remedy == "" ||
		strings.HasPrefix(string(r.Cause), "unknown")) {
		t.Errorf("%s at %s: %s %q: %s", name, m.Door, r.Status, r.Cause, r.Detail)
	}
	expectClean(t, name+" at "+string(m.Door), r)
}
