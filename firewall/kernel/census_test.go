package kernel

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sallyport/firewall/kernel/attribute"
	"sallyport/firewall/kernel/census"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// inNamespace runs lines of commands, without a shell, in the namespace of the test's thread.
func inNamespace(t testing.TB, lines ...string) {
	t.Helper()
	for _, line := range lines {
		fields := strings.Fields(line)
		if _, err := exec.LookPath(fields[0]); err != nil {
			unprepared(t, "%v", err)
		}
		if out, err := exec.CommandContext(t.Context(), fields[0], fields[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
}

func takeCensus(t testing.TB) census.Census {
	t.Helper()
	c, err := TakeCensus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// everyStatement has a rule with each statement that a kernel has, in every family.
const everyStatement = `table netdev dev {
	chain in { type filter hook ingress devices = { v0, v1 } priority 0;
		meta protocol ip ip saddr 1.2.3.4 drop
		tcp dport 80 fwd to v1
		dup to v1
	}
	chain out { type filter hook egress device v0 priority 0; ip6 saddr fe80::1 drop
	}
}
table bridge br {
	chain in { type filter hook input priority 0; ether saddr 00:11:22:33:44:55 drop
	}
}
table arp neighbours {
	chain in { type filter hook input priority 0; policy drop;
	}
}
table inet six {
	chain in { type filter hook ingress device v1 priority 5; counter
	}
}
table ip everything {
	set banned { type ipv4_addr; flags timeout; elements = { 1.2.3.4 timeout 1h, 1.2.3.5 }; }
	set met { type ipv4_addr; flags dynamic; }
	map ways { type ipv4_addr . inet_proto . inet_service : verdict; elements = { 10.96.0.1 . tcp . 443 : goto one }; }
	chain one { numgen random mod 2 vmap { 0 : goto two, 1 : drop }
	}
	chain two { ip saddr 1.2.3.4 meta mark set meta mark or 0x4000
		meta l4proto tcp dnat to 10.0.0.1:6443-6445
	}
	chain nat { type nat hook prerouting priority dstnat;
		iifname != "docker0" fib daddr type local tcp dport 8080 counter dnat to 172.17.0.2:80
		tcp dport 80 redirect to :22
		dnat to tcp dport map { 81 : 10.0.0.1 }
		ip daddr . meta l4proto . th dport vmap @ways
		fib daddr type != local return
	}
	chain src { type nat hook postrouting priority srcnat; ip saddr 10.0.0.0/8 masquerade
		snat to 192.0.2.1
	}
	chain in { type filter hook input priority 0;
		tcp dport { 22, 80 } ip saddr @banned reject with icmp port-unreachable
		tcp flags & (fin|syn|rst|ack) != syn ct state new drop
		ct status dnat accept
		ct state invalid drop
		ct state new limit rate 10/second accept
		ct mark 7 accept
		meta mark 7 accept
		add @met { ip saddr limit rate over 3/minute } drop
		tcp dport 22 ct count over 3 drop
		tcp dport 9 synproxy mss 1460 wscale 7
		tcp option maxseg size set 1400
		ip ttl set 64
		ip saddr set 1.2.3.4
		tcp dport set 22
		fib saddr . mark . iif oif missing drop
		log prefix "x" accept
		tcp dport vmap { 22 : accept, 23 : drop }
		quota over 10 mbytes drop
		socket transparent 1 accept
		rt classid 7 accept
		ct mark set 7
		ip daddr 10.0.0.0/8 udp dport 53 udp sport 1024-65535 accept comment "named"
	}
	chain raw { type filter hook prerouting priority raw; udp dport 53 notrack
		tcp dport 9 ct zone set 7
		tcp dport 10 tproxy to :3128
		ip daddr 1.1.1.1 dup to 10.0.0.9
	}
}
`

// iptablesScript is rules of iptables: the legacy one and the one of nftables take the same.
const iptablesScript = `*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p udp -m udp --sport 53 -j CT --notrack
-A PREROUTING -p udp -m udp --dport 54 -j CT --zone 7
-A PREROUTING ! -s 10.0.0.0/8 ! -i eth+ ! -p udp -j DROP
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 80 -j TPROXY --on-port 3128
-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff
-A PREROUTING -p tcp -m tcp --dport 81 -j TEE --gateway 10.0.0.9
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A PREROUTING -p tcp -m tcp --dport 82 -j REDIRECT --to-ports 22
-A PREROUTING -d 10.1.0.0/16 -j NETMAP --to 10.2.0.0/16
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:mine - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m conntrack ! --ctstate NEW -j DROP
-A INPUT -m conntrack --ctstate DNAT -j ACCEPT
-A INPUT -m state --state INVALID -j DROP
-A INPUT -s 10.20.0.0/24 -p tcp -m multiport --dports 22,80:90 -j mine
-A INPUT -g mine
-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m tcp --sport 1024:65535 -j RETURN
-A INPUT -m iprange --src-range 10.0.0.1-10.0.0.9 -j ACCEPT
-A INPUT -m pkttype --pkt-type multicast -j DROP
-A INPUT -m limit --limit 3/min -j LOG
-A INPUT -p tcp -m recent --update --seconds 30 --name DEFAULT --rsource -j REJECT --reject-with tcp-reset
-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT
-A INPUT -m string --algo bm --string x -j DROP
-A INPUT -m addrtype --src-type LOCAL -j DROP
-A mine -j NFQUEUE --queue-num 0
-A mine -p tcp -j RETURN
COMMIT
`

// inLines is a census for a golden file.
func inLines(c census.Census) string {
	var b strings.Builder
	for _, t := range c.Tables {
		fmt.Fprintf(&b, "table %s\n", t)
		for _, s := range t.Sets {
			fmt.Fprintf(&b, "  set %s %v\n", s.Name, s.Elements)
		}
		for _, chain := range t.Chains {
			fmt.Fprintf(&b, "  chain %s", chain.Name)
			if chain.Hook != nil {
				fmt.Fprintf(&b, " %s %v", chain.Hook, slices.Sorted(slices.Values(chain.Devices)))
			}
			b.WriteByte('\n')
			for _, r := range chain.Rules {
				fmt.Fprintf(&b, "    %s\n     ", r)
				for _, s := range r.Steps {
					fmt.Fprintf(&b, " %d", s.Kind)
					if s.To != (census.Target{}) {
						fmt.Fprintf(&b, "%v", s.To)
					}
				}
				b.WriteByte('\n')
			}
		}
	}
	for _, p := range c.Programs {
		fmt.Fprintf(&b, "program %s %s %s %v direct %v\n", p.Link, p.Kind, p.Hook, p.Actions, p.Direct)
	}
	return b.String()
}

func goldenCensus(t *testing.T, name string) {
	t.Helper()
	c := takeCensus(t)
	if len(c.Gaps) > 0 {
		t.Errorf("gaps: %q", c.Gaps)
	}
	path := "testdata/" + name + ".census"
	if *record {
		if err := os.WriteFile(path, []byte(inLines(c)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := inLines(c); got != string(want) {
		t.Errorf("read:\n%s\nwant:\n%s", got, want)
	}
}

func pairOfLinks(t testing.TB) {
	t.Helper()
	newNamespace(t)
	inNamespace(t, "ip link add v0 type veth peer name v1", "ip link set v0 up", "ip link set v1 up")
}

// TestCensusOfNft holds what kind of thing each statement of others is, in every family.
func TestCensusOfNft(t *testing.T) {
	pairOfLinks(t)
	loadNft(t, everyStatement)
	loadNft(t, "table inet sallyport { chain mine { type filter hook input priority 0; } ; }\n")
	loadNft(t, "table inet sallyport-handover { chain mine { type filter hook input priority 0; } ; }\n")
	goldenCensus(t, "nft")
}

func TestCensusOfIptables(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		t.Run(variant, func(t *testing.T) {
			newNamespace(t)
			program := "iptables-" + variant + "-restore"
			if _, err := exec.LookPath(program); err != nil {
				unprepared(t, "%v", err)
			}
			cmd := exec.CommandContext(t.Context(), program)
			cmd.Stdin = strings.NewReader(iptablesScript)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if variant == "legacy" {
				inNamespace(t, "ip6tables-legacy -P INPUT DROP", "ip6tables-legacy -N mine",
					"ip6tables-legacy -A INPUT -s 2001:db8::/32 ! -i eth+ -p tcp -m tcp --dport 22 -g mine",
				)
			}
			goldenCensus(t, "iptables-"+variant)
		})
	}
}

// TestCensusMakesNothing looks where nothing is: asking for a table of legacy iptables would make it.
func TestCensusMakesNothing(t *testing.T) {
	newNamespace(t)
	if c := takeCensus(t); len(c.Tables) != 0 || len(c.Programs) != 0 || len(c.Gaps) != 0 {
		t.Errorf("of an empty namespace: %+v", c)
	}
	for _, list := range []string{"ip_tables_names", "ip6_tables_names"} {
		if names, err := os.ReadFile("/proc/thread-self/net/" + list); err != nil || len(names) > 0 {
			t.Errorf("%s: %q, %v", list, names, err)
		}
	}
}

// TestCensusBesideMalformedUserdata meets a set that google/nftables panics at.
func TestCensusBesideMalformedUserdata(t *testing.T) {
	newNamespace(t)
	loadNft(t, "add table inet other\n")
	addSet(t, "other")
	if c := takeCensus(t); len(c.Tables) != 1 || len(c.Tables[0].Sets) != 1 || len(c.Gaps) != 0 {
		t.Errorf("%+v", c)
	}
}

// TestCensusOfALargeSet does not look into a set that is too large, and says so.
func TestCensusOfALargeSet(t *testing.T) {
	newNamespace(t)
	loadNft(t, "add table ip x\nadd set ip x s { type ipv4_addr; }\n"+
		"add element ip x s { 10.0.0.1, 10.0.0.2, 10.0.0.3 }\n"+
		"add set ip x few { type ipv4_addr; elements = { 1.1.1.1 }; }\n")
	const most = 60 // bytes: room for one element
	raw, err := (&Conn{}).tryTables(t.Context(), most)
	if err != nil {
		t.Fatal(err)
	}
	c := decodeTables(raw)
	if len(c.Gaps) != 1 || !strings.Contains(c.Gaps[0], "the set s of the table ip x has more elements") {
		t.Errorf("gaps %q", c.Gaps)
	}
	if len(c.Tables) != 1 || len(c.Tables[0].Sets) != 1 || c.Tables[0].Sets[0].Name != "few" {
		t.Errorf("sets %v", c.Tables)
	}
}

// TestCensusOfPrograms hangs filters and programs on interfaces.
func TestCensusOfPrograms(t *testing.T) {
	pairOfLinks(t)
	inNamespace(t, "tc qdisc add dev v0 clsact", "tc qdisc add dev v1 ingress",
		"tc filter add dev v0 ingress protocol ip prio 1 u32 match ip src 1.2.3.4/32 classid 1:1",
		"tc filter add dev v1 ingress protocol ip prio 1 u32 match ip src 1.2.3.4/32 action mirred egress redirect dev v0",
	)
	const byteCode = "1,6 0 0 0,"
	if out, err := exec.CommandContext(t.Context(), "tc", "filter", "add", "dev", "v0", "egress", "protocol", "all",
		"prio", "2", "bpf", "da", "bytecode", byteCode).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	attachXDP(t, "v0")
	attachTCX(t, "v1")
	goldenCensus(t, "programs")
	for _, p := range takeCensus(t).Programs {
		if bpf := p.Kind == "xdp" || p.Kind == "tcx"; bpf != (p.ID != 0) {
			t.Errorf("%+v: the program's id", p)
		}
	}
}

// passProgram loads the smallest BPF program of a type, which lets everything pass, and returns its descriptor.
func passProgram(t testing.TB, kind, verdict uint32) int {
	t.Helper()
	program := []uint64{0xb7 | uint64(verdict)<<32, 0x95} // r0 = verdict; exit
	license := []byte("GPL\x00")
	attr := make([]byte, 120) // of union bpf_attr: type, number of instructions, their address, that of the license
	binary.NativeEndian.PutUint32(attr, kind)
	binary.NativeEndian.PutUint32(attr[4:], uint32(len(program)))
	binary.NativeEndian.PutUint64(attr[8:], uint64(uintptr(unsafe.Pointer(&program[0]))))
	binary.NativeEndian.PutUint64(attr[16:], uint64(uintptr(unsafe.Pointer(&license[0]))))
	const load = 5 // BPF_PROG_LOAD
	fd, _, errno := unix.Syscall(unix.SYS_BPF, load, uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr)))
	if errno != 0 {
		unprepared(t, "load a BPF program: %v", errno)
	}
	t.Cleanup(func() { _ = unix.Close(int(fd)) })
	return int(fd)
}

func linkIndex(t testing.TB, name string) uint32 {
	t.Helper()
	link, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(link.Index)
}

// attachXDP hangs a program on an interface as ip does.
func attachXDP(t testing.TB, name string) {
	t.Helper()
	const xdp, pass = 6, 2 // BPF_PROG_TYPE_XDP, XDP_PASS
	fd := passProgram(t, xdp, pass)
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	request := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(request[4:], linkIndex(t, name))
	number := binary.NativeEndian.AppendUint32(nil, uint32(fd))
	request = append(request, attribute.Encode(unix.IFLA_XDP, attribute.Encode(unix.IFLA_XDP_FD, number))...)
	if _, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_SETLINK, Flags: netlink.Request | netlink.Acknowledge}, Data: request,
	}); err != nil {
		unprepared(t, "attach an XDP program: %v", err)
	}
}

// attachTCX hangs a program on an interface without a qdisc.
func attachTCX(t testing.TB, name string) {
	t.Helper()
	// BPF_PROG_TYPE_SCHED_CLS, TC_ACT_OK, BPF_PROG_ATTACH, BPF_TCX_INGRESS
	const filter, goOn, attach, tcxIngress = 3, 0, 8, 46
	fd := passProgram(t, filter, goOn)
	attr := make([]byte, 48)
	binary.NativeEndian.PutUint32(attr, linkIndex(t, name))
	binary.NativeEndian.PutUint32(attr[4:], uint32(fd))
	binary.NativeEndian.PutUint32(attr[8:], tcxIngress)
	if _, _, errno := unix.Syscall(unix.SYS_BPF, attach, uintptr(unsafe.Pointer(&attr[0])), uintptr(len(attr))); errno != 0 {
		unprepared(t, "attach a program by tcx: %v", errno)
	}
}

// TestFlowtable reads a flowtable as a kernel that makes them tells it: this machine's has none.
func TestFlowtable(t *testing.T) {
	device := func(name string) []byte { return attribute.String(1, name) }
	message := slices.Concat(attribute.String(nftaFlowtableTable, "x"), attribute.String(nftaFlowtableName, "fast"),
		attribute.Encode(nftaFlowtableHook, slices.Concat(number32(1, 0), number32(2, 0),
			attribute.Encode(nftaFlowtableDevs, slices.Concat(device("eth0"), device("eth1"))))),
		number32(nftaFlowtableUse, 1))
	rule := slices.Concat(attribute.String(unix.NFTA_RULE_TABLE, "x"), attribute.String(unix.NFTA_RULE_CHAIN, "forward"),
		attribute.Encode(unix.NFTA_RULE_EXPRESSIONS, attribute.Encode(unix.NFTA_LIST_ELEM, slices.Concat(
			attribute.String(unix.NFTA_EXPR_NAME, exprFlow),
			attribute.Encode(unix.NFTA_EXPR_DATA, attribute.String(nftaFlowTableName, "fast"))))))
	chain := slices.Concat(attribute.String(unix.NFTA_CHAIN_TABLE, "x"), attribute.String(unix.NFTA_CHAIN_NAME, "forward"))
	at := place{familyInet, "x"}
	c := decodeTables(rawTables{order: []place{at}, parts: map[place]*snapshot{at: {
		Name: "x", Table: attribute.String(unix.NFTA_TABLE_NAME, "x"), Flowtables: [][]byte{message}, Rules: [][]byte{rule},
		Chains: [][]byte{chain},
	}}})
	if len(c.Tables) != 1 || len(c.Tables[0].Flowtables) != 1 || len(c.Gaps) > 0 {
		t.Fatalf("%+v", c)
	}
	if f := c.Tables[0].Flowtables[0]; f.Name != "fast" || !slices.Equal(f.Devices, []string{"eth0", "eth1"}) {
		t.Errorf("%+v", f)
	}
	if r := c.Tables[0].Chains[0].Rules[0]; r.Steps[0].Kind != census.StepOffload || r.String() != "flow add @fast" {
		t.Errorf("%s: %+v", r, r.Steps)
	}
}

// The longest texts that a census has of one statement and of a name, in bytes, besides what says that more was there.
const longestStatement, longestName = 120, 64

// shown holds that a text can be shown to a person.
func shown(t testing.TB, text string) {
	t.Helper()
	if len(text) > longestStatement+len("...")+longestName || !printable([]byte(text)) {
		t.Errorf("%q", text)
	}
}

// FuzzCensus puts arbitrary bytes in the place of a message of another's table: no panic, and nothing unprintable.
func FuzzCensus(f *testing.F) {
	base := readRecorded(f)
	for _, messages := range [][][]byte{base.Chains, base.Rules, base.Sets} {
		for _, message := range messages {
			f.Add(byte(unix.NFPROTO_IPV4), message)
		}
	}
	f.Fuzz(func(t *testing.T, family byte, message []byte) {
		s := base
		s.Rules, s.Sets = append(slices.Clip(s.Rules), message), append(slices.Clip(s.Sets), message)
		s.Chains = append(slices.Clip(s.Chains), message)
		at := place{family, "x"}
		for _, table := range decodeTables(rawTables{order: []place{at}, parts: map[place]*snapshot{at: &s}}).Tables {
			for _, chain := range table.Chains {
				shown(t, chain.Name)
				for _, r := range chain.Rules {
					shown(t, r.String()[:min(len(r.String()), longestStatement)])
				}
			}
		}
	})
}

// BenchmarkCensus takes a census of nothing, and beside a large table of others.
func BenchmarkCensus(b *testing.B) {
	for _, rules := range []int{0, 1000} {
		b.Run(fmt.Sprintf("rules=%d", rules), func(b *testing.B) {
			newNamespace(b)
			var s strings.Builder
			s.WriteString("add table ip x\nadd chain ip x c { type filter hook input priority 0; }\n")
			for i := range rules {
				fmt.Fprintf(&s, "add rule ip x c ip saddr 10.0.%d.%d tcp dport 22 counter drop\n", i>>8, i&0xff)
			}
			loadNft(b, s.String())
			for b.Loop() {
				takeCensus(b)
			}
		})
	}
}
