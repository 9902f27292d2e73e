package netcheck

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/tlsprobe/tlsprobetest"
)

const insideVariable = "SALLYPORT_TEST_INSIDE"

// TestInNamespace runs the tests named TestInside… as a process of its own, in namespaces of its own, with its own
// hosts file and resolver: a check's goroutines run on any thread, so that a namespace for one thread does not do.
func TestInNamespace(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"unshare", "ip", "nft", "mount"} {
		needProgram(t, program)
	}
	if os.Geteuid() != 0 {
		cannot(t, "only root may make namespaces here")
	}
	folder := t.TempDir()
	hosts, resolv := filepath.Join(folder, "hosts"), filepath.Join(folder, "resolv.conf")
	writeFile(t, hosts, `127.0.0.1 localhost
127.0.0.1 dual.test
2001:db8::1 dual.test
2001:db8::1 six.test
127.0.0.1 half.test
127.0.0.2 half.test
10.1.0.1 many.test
10.1.0.2 many.test
10.1.0.3 many.test
10.1.0.4 many.test
10.1.0.5 many.test
127.0.0.1 many.test
`)
	writeFile(t, resolv, "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
	script := fmt.Sprintf(`set -e
mount --bind %s /etc/hosts
mount --bind %s /etc/resolv.conf
ip link set lo up
exec "$0" -test.run '^TestInside' -test.v`, hosts, resolv)
	cmd := exec.Command("unshare", "-n", "-m", "sh", "-c", script, os.Args[0])
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestInside") {
		t.Errorf("%v\n%s", err, out)
	}
}

func inside(t *testing.T) {
	t.Helper()
	if os.Getenv(insideVariable) == "" {
		t.Skip("run by TestInNamespace")
	}
}

// TestInsideHelloDropped drops what a large ClientHello takes and lets a small one pass.
func TestInsideHelloDropped(t *testing.T) {
	inside(t)
	r := newRegistry(t)
	port := startSmallTLS(t, "127.0.0.1:0", tlsprobetest.Chain(r.leaf(t), r.intermediate))
	command(t, "nft", fmt.Sprintf(`table inet small { chain in { type filter hook input priority 0;
		tcp dport %d meta length > 1000 drop; }; }`, port))
	result := expectResult(t, localTarget(port, r.roots), check.Fail, check.TLSHelloDropped, "answer to a small", "tls")
	if evidence, ok := result.Evidence.(*TLSEvidence); !ok || evidence.Group != "X25519" {
		t.Errorf("evidence %+v", result.Evidence)
	}
}

func startSmallTLS(t *testing.T, address string, pair tls.Certificate) uint16 {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	return startTCPAt(t, address, func(conn *net.TCPConn) {
		_ = tls.Server(conn, config).Handshake()
		untilClosed(conn)
	})
}

// TestInsideAddresses tries names with several addresses.
func TestInsideAddresses(t *testing.T) {
	inside(t)
	r := newRegistry(t)
	port := startSmallTLS(t, "127.0.0.1:0", tlsprobetest.Chain(r.leaf(t), r.intermediate))
	command(t, "ip", "route", "add", "10.1.0.0/16", "dev", "lo")
	command(t, "nft", "table inet swallow { chain out { type filter hook output priority 0; ip daddr 10.1.0.0/16 drop; }; }")
	target := localTarget(port, r.roots)

	target.Host = "dual.test"
	result := expectResult(t, target, check.OK, "", "1 more without a route", "")
	expectEndpoints(t, result, check.Skipped, check.OK)

	target.Host = "six.test"
	expectResult(t, target, check.Fail, check.ConnectNoAddress, "only IPv6", "connect")

	target.Host = "half.test"
	result = expectResult(t, target, check.Warn, check.ConnectRefused, "1 of 2 addresses: 127.0.0.2:", "")
	expectEndpoints(t, result, check.Fail, check.OK)

	// Five silent addresses and a good one, four at a time: the good one still gets its time.
	target.Host = "many.test"
	result = expectResult(t, target, check.Warn, check.ConnectTimeout, "5 of 6 addresses: ", "")
	expectEndpoints(t, result, check.Fail, check.Fail, check.Fail, check.Fail, check.Fail, check.OK)

	// No resolver answers for a name that is not in the hosts file.
	target.Host = "missing.test"
	expectResult(t, target, check.Fail, check.DNSUnreachable, "missing.test", "")
}

func expectEndpoints(t *testing.T, r check.Result, want ...check.Status) {
	t.Helper()
	count := map[check.Status]int{}
	for _, e := range r.Endpoints {
		count[e.Status]++
	}
	for _, status := range want {
		count[status]--
	}
	for status, n := range count {
		if n != 0 {
			t.Errorf("%+d endpoints with status %s: %+v", n, status, r.Endpoints)
		}
	}
}

// TestReachingIsToldAndBlames holds that a check says where it is about to connect to, and puts a refusal on this host where
// it is known not to let out to the address.
func TestReachingIsToldAndBlames(t *testing.T) {
	t.Parallel()
	closed := netip.MustParseAddrPort(refusing(t))
	for _, c := range []struct {
		bar   map[netip.Addr]string
		cause check.Cause
		says  string
	}{
		{nil, check.ConnectRefused, "nothing listens"},
		{map[netip.Addr]string{closed.Addr(): "a loopback address"}, check.ConnectBlockedHere,
			"does not take a loopback address"},
	} {
		told := make(chan string, 4)
		r := TLS(TLSTarget{Server: Server{Host: "localhost", Port: closed.Port(),
			Reaching: func(_ context.Context, host string, addresses []netip.Addr) map[netip.Addr]string {
				if slices.Contains(addresses, closed.Addr()) {
					told <- host
				}
				return c.bar
			}}})(t.Context())
		at := slices.IndexFunc(r.Endpoints, func(e check.Endpoint) bool { return e.Address == closed.String() })
		if at < 0 || r.Endpoints[at].Cause != c.cause || !strings.Contains(r.Endpoints[at].Detail, c.says) {
			t.Errorf("%+v, want %s: %s", r.Endpoints, c.cause, c.says)
		}
		if len(told) != 1 || <-told != "localhost" {
			t.Error("it was not told where it connects to, or not once")
		}
	}
}

// refusing is a port of this host at which nobody listens.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}
