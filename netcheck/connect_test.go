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
	"time"

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

// TestInsideConnectFaults makes each fault of connect(2) by nft and routes.
func TestInsideConnectFaults(t *testing.T) {
	inside(t)
	command(t, "nft", `table inet faults { chain in { type filter hook input priority 0;
		tcp dport 1001 drop
		tcp dport 1002 reject with tcp reset
		tcp dport 1003 reject with icmpx host-unreachable
		tcp dport 1004 reject with icmpx admin-prohibited
		udp dport 1005 reject with icmpx port-unreachable
		tcp dport 1005 reject with icmpx port-unreachable
	}; chain out { type filter hook output priority 0;
		ip daddr 10.9.0.9 reject with icmpx admin-prohibited
	}; }`)
	for _, route := range []string{"prohibit 192.0.2.1", "blackhole 192.0.2.2", "unreachable 192.0.2.3"} {
		command(t, "ip", append([]string{"route", "add"}, strings.Fields(route)...)...)
	}
	for _, words := range []string{"link add v0 type veth peer name v1", "link set v0 up", "link set v1 up",
		"address add 10.9.0.1/24 dev v0", "neighbour add 10.9.0.9 lladdr 02:00:00:00:00:09 dev v0"} {
		command(t, "ip", strings.Fields(words)...)
	}
	tests := []struct {
		name, host string
		port       uint16
		cause      check.Cause
		words      string
	}{
		{"closed port", "127.0.0.1", 1000, check.ConnectRefused, "refused"},
		{"drop", "127.0.0.1", 1001, check.ConnectTimeout, "no answer to the connection attempt"},
		{"tcp reset", "127.0.0.1", 1002, check.ConnectRefused, "refused"},
		{"host unreachable", "127.0.0.1", 1003, check.ConnectUnreachable, "ICMP host unreachable from 127.0.0.1"},
		{"prohibited", "127.0.0.1", 1004, check.ConnectUnreachable, "ICMP communication administratively prohibited from"},
		{"host unreachable, IPv6", "::1", 1003, check.ConnectUnreachable, "ICMP address unreachable from ::1"},
		{"prohibited, IPv6", "::1", 1004, check.ConnectUnreachable, "ICMP communication admin"},
		{"port unreachable", "127.0.0.1", 1005, check.ConnectRefused, "ICMP port unreachable from 127.0.0.1"},
		{"own firewall", "10.9.0.9", 443, check.ConnectBlockedHere, "its own ICMP communication admin"},
		{"prohibit route", "192.0.2.1", 443, check.ConnectBlockedHere, "permission denied"},
		{"blackhole route", "192.0.2.2", 443, check.ConnectBlockedHere, "blackhole"},
		{"unreachable route", "192.0.2.3", 443, check.ConnectUnreachable, "this host has no way"},
		{"no route", "198.51.100.1", 443, check.ConnectUnreachable, "this host has no way"},
		{"no route, IPv6", "2001:db8::1", 443, check.ConnectUnreachable, "this host has no way"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := TLS(TLSTarget{Server{Host: test.host, Port: test.port}})(withTimeout(t, time.Second))
			if r.Status != check.Fail || r.Cause != test.cause || !strings.Contains(r.Detail, test.words) {
				t.Errorf("%s %s: %s; want %s: …%s…", r.Status, r.Cause, r.Detail, test.cause, test.words)
			}
			if lastPhase(r) != "connect" {
				t.Errorf("it ended in the phase %q", lastPhase(r))
			}
		})
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

// TestInsideNoPort leaves this host a single port to send from, and takes it.
func TestInsideNoPort(t *testing.T) {
	inside(t)
	port := startTCP(t, untilClosed)
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("61000 61000"), 0o600); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("32768 60999"), 0o600) }()
	dialer := net.Dialer{}
	conn, err := dialer.DialContext(context.Background(), "tcp", local(int(port)).String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	expectResult(t, localTarget(port, nil), check.Fail, check.ConnectSource, "nothing to send from", "connect")
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
		r := TLS(TLSTarget{Server{Host: "localhost", Port: closed.Port(),
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
