package proof

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
	"sallyport/firewall/kernel/sockets"
)

// newHost puts the test into a fresh namespace with two interfaces, addresses and a default route.
func newHost(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the namespace ends with the thread
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		unprepared(t, "a network namespace: %v", err)
	}
	for _, line := range []string{
		"link set lo up", "link add eth0 type veth peer name peer0", "link add docker0 type veth peer name peer1",
		"addr add 10.20.0.1/24 dev eth0", "addr add 2001:db8:20::1/64 dev eth0 nodad",
		"addr add 172.17.0.1/16 dev docker0", "link set eth0 up", "link set peer0 up", "link set docker0 up",
		"link set peer1 up", "route add default dev eth0", "-6 route add default dev eth0",
	} {
		run(t, "", "ip", strings.Fields(line)...)
	}
}

func run(t *testing.T, stdin, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		unprepared(t, "the program %s: %v", name, err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func twinPolicy() firewall.Policy {
	return firewall.Policy{
		Ping: true,
		Management: []firewall.Exception{
			{Name: "ssh", Ports: ports(firewall.TCP, 22, 22), From: prefixes("10.20.0.0/24", "2001:db8:20::/64")},
		},
		Allow: []firewall.Exception{
			{Name: "web", Ports: ports(firewall.TCP, 443, 443), Any: true},
			{
				Name: "snmp", Ports: ports(firewall.UDP, 161, 161), From: prefixes("192.0.2.0/24"),
				Interfaces: []string{"eth*"},
			},
		},
	}
}

func twinSockets() []sockets.Listener {
	return []sockets.Listener{tcpAt("[::]:22"), tcpAt("0.0.0.0:8080"), udpAt("0.0.0.0:161"), tcpAt("10.20.0.1:3306")}
}

func inForce(t *testing.T, p firewall.Policy) {
	t.Helper()
	c, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Apply(t.Context(), compile(t, p)); err != nil {
		t.Fatal(err)
	}
}

func twin(t *testing.T, p firewall.Policy) check.Result {
	t.Helper()
	told, err := TryTwin(t.Context(), p, twinSockets())
	if errors.Is(err, kernel.ErrNoNamespace) || errors.Is(err, ErrNoPackets) {
		unprepared(t, "%v", err)
	}
	result := JudgeTwin(told, err, twinSockets())
	t.Logf("%s %s: %s (%s)", result.Status, result.Cause, result.Detail, told.Took)
	return result
}

// TestTwin tries hosts whose ruleset is right, and such on which another's table goes round it or stands before it.
func TestTwin(t *testing.T) {
	const input = "type filter hook input "
	const prerouting = "type nat hook prerouting priority dstnat; policy accept;"
	for name, c := range map[string]struct {
		others string
		cause  check.Cause
		says   string
	}{
		"ours alone": {"", "", "each met the fate"},
		"a foreign accept of everything does not matter": {
			"table inet other {\n chain c { " + input + "priority -400; policy accept;\n accept\n }\n}", "", "each met",
		},
		"rules by index": {
			"table inet other {\n chain c { " + input + "priority 5;\n iif 1 drop\n iif eth0 counter\n }\n}", "", "each met",
		},
		"a foreign DNAT to a port that is open": {
			"table ip nat {\n chain c { " + prerouting + "\n tcp dport 8080 redirect to :443\n }\n}",
			check.FirewallBypass, "tcp 8080 of 10.20.0.1, from 203.0.113.9 by eth0 gets in, which the policy does not say" +
				"; it is because of the table ip nat; there listens tcp 0.0.0.0:8080",
		},
		"a foreign source rewritten": {
			"table inet odd {\n chain c { type filter hook prerouting priority -320;\n" +
				" ip saddr 203.0.113.9 tcp dport 8000 tcp dport set 443\n }\n}",
			check.FirewallBypass, "tcp 8000 of 10.20.0.1",
		},
		"a foreign drop of management": {
			"table ip f2b {\n set s { type ipv4_addr; flags timeout; elements = { 10.20.0.254 timeout 1h }\n }\n" +
				" chain c { type filter hook input priority -20; policy accept;\n tcp dport 22 ip saddr @s drop\n }\n}",
			check.FirewallForeignDrop, "tcp 22 of 10.20.0.1, from 10.20.0.254 by eth0 is kept out, though the policy lets " +
				"it in; it is because of the table ip f2b",
		},
	} {
		t.Run(name, func(t *testing.T) {
			newHost(t)
			inForce(t, twinPolicy())
			if c.others != "" {
				run(t, c.others, "nft", "-f", "-")
			}
			got := twin(t, twinPolicy())
			if got.Cause != c.cause || !strings.Contains(got.Detail, c.says) || (got.Status == check.OK) != (c.cause == "") {
				t.Errorf("%s %s %q, want %s %q", got.Status, got.Cause, got.Detail, c.cause, c.says)
			}
		})
	}
}

// TestTwinOfAHostWithoutARuleset finds what listens there open.
func TestTwinOfAHostWithoutARuleset(t *testing.T) {
	newHost(t)
	if got := twin(t, twinPolicy()); got.Cause != check.FirewallExposed || !strings.Contains(got.Detail, "gets in") {
		t.Errorf("%+v", got)
	}
}

// TestTwinPassesOn sees a published container port, and that a forward chain of ours holds it.
func TestTwinPassesOn(t *testing.T) {
	for forward, want := range map[firewall.Forward]check.Status{
		firewall.ForwardDrop: check.OK, firewall.ForwardAccept: check.OK,
	} {
		newHost(t)
		run(t, "table ip nat {\n chain c { type nat hook prerouting priority dstnat; policy accept;\n"+
			" iifname != docker0 tcp dport 8080 dnat to 172.17.0.2:80\n }\n}", "nft", "-f", "-")
		if err := sysctl("net/ipv4/ip_forward", "1"); err != nil {
			unprepared(t, "%v", err)
		}
		policy := twinPolicy()
		policy.Forward = forward
		inForce(t, policy)
		if got := twin(t, policy); got.Status != want {
			t.Errorf("forward %d: %+v", forward, got)
		}
		// The same ruleset, judged by a policy that wants the other.
		policy.Forward = firewall.ForwardDrop
		got := twin(t, policy)
		seen := got.Cause == check.FirewallBypass && strings.Contains(got.Detail, "is passed on")
		if forward == firewall.ForwardAccept && !seen {
			t.Errorf("a packet that is passed on is not seen: %+v", got)
		}
	}
}

// TestTwinLeavesTheHostAlone holds that the host's namespace is only read.
func TestTwinLeavesTheHostAlone(t *testing.T) {
	newHost(t)
	inForce(t, twinPolicy())
	look := func() string {
		var b strings.Builder
		for _, line := range []string{"nft list ruleset", "ip addr", "ip route", "ip -6 route"} {
			words := strings.Fields(line)
			out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			b.Write(out)
		}
		return b.String()
	}
	before := look()
	twin(t, twinPolicy())
	if after := look(); before != after {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// TestTwinOfAHostWithoutARoute meets a stranger from its own network, whom the policy does not name.
func TestTwinOfAHostWithoutARoute(t *testing.T) {
	newHost(t)
	run(t, "", "ip", "route", "del", "default")
	run(t, "", "ip", "-6", "route", "del", "default")
	policy := twinPolicy()
	policy.Management[0].From = prefixes("10.20.0.9/32")
	inForce(t, policy)
	if got := twin(t, policy); got.Status != check.OK || !strings.Contains(got.Detail, "no route of the host leads there") {
		t.Errorf("%+v", got)
	}
	run(t, "delete table inet sallyport\n", "nft", "-f", "-")
	if got := twin(t, policy); got.Cause != check.FirewallExposed {
		t.Errorf("without a ruleset: %+v", got)
	}
}

// TestTwinWithoutRights is told, not guessed.
func TestTwinWithoutRights(t *testing.T) {
	for err, cause := range map[error]check.Cause{
		fmt.Errorf("twin: %w", kernel.ErrNoNamespace): check.FirewallNotPermitted,
		fmt.Errorf("twin: %w", ErrNoTwin):             check.FirewallUnsupported,
		context.DeadlineExceeded:                      "unknown.firewall",
	} {
		if got := JudgeTwin(Twin{}, err, nil); got.Status != check.Unknown || got.Cause != cause {
			t.Errorf("%v: %+v", err, got)
		}
	}
}

func TestTwinPlanIsBounded(t *testing.T) {
	var h twinHost
	for i := range 300 {
		a := netip.AddrFrom4([4]byte{10, 99, byte(i / 250), byte(i%250 + 1)})
		nets := []netip.Prefix{netip.PrefixFrom(a, 32)}
		h.interfaces = append(h.interfaces, twinInterface{name: fmt.Sprint("e", i), nets: nets})
	}
	p := twinPolicy()
	for i := range 400 {
		p.Allow = append(p.Allow, firewall.Exception{
			Name: fmt.Sprint("x", i), Ports: ports(firewall.TCP, uint16(1000+i), uint16(1000+i)),
			From: prefixes(fmt.Sprintf("10.%d.%d.0/24", i/250, i%250)),
		})
	}
	if n := len(twinSources(h, p)); n != maxTwinSources {
		t.Errorf("%d sources", n)
	}
	if n := len(twinPorts(h, p, nil)); n != maxTwinPorts {
		t.Errorf("%d ports", n)
	}
	var plan twinPlan
	for range maxTwinPackets + 3 {
		plan.ask(p, TwinPacket{})
	}
	if len(plan.asked) != maxTwinPackets || plan.omitted != 3 {
		t.Errorf("%d asked, %d omitted", len(plan.asked), plan.omitted)
	}
}
