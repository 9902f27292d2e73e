package integration_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// knocks is every way in from every machine but the host, tried at once, as sorted words: those that got in.
func (w world) knocks() []string {
	w.t.Helper()
	ctx := within(w.t, 10*time.Second)
	var all sync.WaitGroup
	var mu sync.Mutex
	in := []string{}
	for _, from := range []*lab.Node{w.Admin, w.Stranger} {
		for family, to := range map[string]netip.Addr{"v4": w.Host.IPv4, "v6": w.Host.IPv6} {
			for way, knock := range map[string]func() lab.Knock{
				"tcp22":   func() lab.Knock { return from.TCP(ctx, netip.AddrPortFrom(to, lab.SSHPort)) },
				"tcp8080": func() lab.Knock { return from.TCP(ctx, netip.AddrPortFrom(to, lab.ForgottenPort)) },
				"udp161":  func() lab.Knock { return from.UDP(ctx, netip.AddrPortFrom(to, lab.AgentPort)) },
				"ping":    func() lab.Knock { return from.Ping(ctx, to) },
			} {
				all.Go(func() {
					got := knock()
					mu.Lock()
					defer mu.Unlock()
					switch {
					case got.In:
						in = append(in, fmt.Sprintf("%s %s %s", from.Name, way, family))
					case got.Says != "silence":
						w.t.Errorf("%s %s %s met %q: what is shut must be silent", from.Name, way, family, got.Says)
					}
				})
			}
		}
	}
	all.Wait()
	slices.Sort(in)
	return in
}

// both is the words of knocks for both families.
func both(words ...string) []string {
	all := []string{}
	for _, word := range words {
		all = append(all, word+" v4", word+" v6")
	}
	slices.Sort(all)
	return all
}

// TestOnlyWhatIsAllowedGetsIn sends packets through rulesets: v4 and v6, TCP, UDP, ICMP.
func TestOnlyWhatIsAllowedGetsIn(t *testing.T) {
	const stranger = `[10.77.0.66/32, "fd77::66/128"]`
	for name, c := range map[string]struct {
		settings lab.Settings
		want     []string
	}{
		"management only": {lab.Settings{}, both("admin tcp22")},
		"ping":            {lab.Settings{Ping: true}, both("admin tcp22", "admin ping", "stranger ping")},
		"exceptions do not cross": {
			lab.Settings{Allow: "[{name: agent, ports: [161/udp], from: " + stranger + "}]"},
			both("admin tcp22", "stranger udp161"),
		},
		"any": {
			lab.Settings{Allow: "[{name: web, ports: [8000-8100/tcp], from: [any]}]"},
			both("admin tcp22", "admin tcp8080", "stranger tcp8080"),
		},
		"interface": {
			lab.Settings{Allow: "[{name: web, ports: [8080/tcp], from: [any], interfaces: [eth1]}]"},
			both("admin tcp22"),
		},
		"overlapping sources": {
			lab.Settings{Allow: `[{name: web, ports: [8080/tcp],
      from: [10.77.0.0/24, 10.77.0.64/26, "fd77::/64", "fd77::66/128"]}]`},
			both("admin tcp22", "admin tcp8080", "stranger tcp8080"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.settings)
			w.services()
			if got, everything := w.knocks(), 16; len(got) != everything {
				t.Fatalf("without a ruleset %d of %d ways in are open: %v", len(got), everything, got)
			}
			w.must(0, "apply", "--now")
			if got := w.knocks(); !slices.Equal(got, c.want) {
				t.Errorf("who gets in: %v\nwant: %v", got, c.want)
			}
		})
	}
}

// TestRepliesAndNeighbours holds that the host's own ways out work, also when nobody knows anybody's link-layer address:
// neighbour discovery is not shut out with the rest.
func TestRepliesAndNeighbours(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	w.services()
	w.must(0, "apply", "--now")
	for _, n := range w.Nodes() {
		if err := n.FlushNeighbours(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := w.knocks(), both("admin tcp22"); !slices.Equal(got, want) {
		t.Errorf("after the neighbours were flushed these get in: %v, want %v", got, want)
	}
	if err := w.Host.FlushNeighbours(); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 10*time.Second)
	for _, to := range w.Cloud.Addresses() {
		conn, err := w.Host.Dial(ctx, "tcp", netip.AddrPortFrom(to, 443).String())
		if err != nil {
			t.Errorf("host to cloud: %v", err)
			continue
		}
		_ = conn.Close()
		if got := w.Host.Ping(ctx, to); !got.In {
			t.Errorf("host pings %s: %+v", to, got)
		}
	}
	w.must(0, "check")
}

// TestDHCPAnswersComeIn sends a datagram as a DHCP server does (RFC 2131 section 4.1), which is no reply in the eyes of
// connection tracking.
func TestDHCPAnswersComeIn(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	w.must(0, "apply", "--now")
	client, err := w.Host.ListenPacket(t.Context(), 68)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	for port, want := range map[uint16]error{67: nil, 1067: os.ErrDeadlineExceeded} {
		server, err := w.Stranger.ListenPacket(t.Context(), port)
		if err != nil {
			t.Fatal(err)
		}
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.Host.IPv4, 68))
		if _, err := server.WriteTo([]byte("offer"), to); err != nil {
			t.Fatal(err)
		}
		if err := client.SetReadDeadline(time.Now().Add(400 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := client.ReadFrom(make([]byte, 64)); !errors.Is(err, want) {
			t.Errorf("from port %d: %v, want %v", port, err, want)
		}
		_ = server.Close()
	}
}

// TestRemovedSourceIsCutOff holds that an established connection is judged by the policy in force: taking an address off
// the exception cuts it off.
func TestRemovedSourceIsCutOff(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	listener, err := w.Host.Listen(t.Context(), lab.SSHPort)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	var echo sync.WaitGroup
	over := make(chan struct{})
	echo.Go(func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		echo.Go(func() { _, _ = io.Copy(conn, conn) })
		<-over
		_ = conn.Close()
	})
	defer echo.Wait()
	defer close(over)
	w.must(0, "apply", "--now")
	session, err := w.Admin.Dial(within(t, 5*time.Second), "tcp", w.Host.Address("ip4", lab.SSHPort))
	if err != nil {
		t.Fatal(err)
	}
	typed := func() error {
		if err := session.SetDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := session.Write([]byte("x")); err != nil {
			return err
		}
		_, err := session.Read(make([]byte, 1))
		return err
	}
	if err := typed(); err != nil {
		t.Fatalf("before: %v", err)
	}
	w.Admin.IPv4, w.Admin.IPv6 = netip.MustParseAddr("10.77.0.21"), netip.MustParseAddr("fd77::21")
	if err := w.Write(w.Configuration(lab.Settings{})); err != nil {
		t.Fatal(err)
	}
	w.must(0, "apply", "--now", "--force")
	if err := typed(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the admin's address was taken off, the session says %v, want silence", err)
	}
	_ = session.Close()
}
