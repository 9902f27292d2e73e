package kernel

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables/expr"

	"sallyport/firewall"
	"sallyport/firewall/kernel/encode"
)

func n(f firewall.Field, v ...firewall.Value) firewall.Match {
	return firewall.Match{Field: f, Values: v}
}

func addrs(prefix string) firewall.Addrs { return firewall.PrefixAddrs(prefixes(prefix)[0]) }

// everyWord is a ruleset with what the vocabulary has and Compile does not use yet.
func everyWord() firewall.Ruleset {
	group := uint16(4)
	limit := firewall.Limit{Rate: 3, Per: firewall.Hour, Burst: 7}
	port := firewall.TransportDport
	accept, drop := firewall.Verdict{Kind: firewall.Accept}, firewall.Verdict{Kind: firewall.Drop}
	leaf := func(kind firewall.VerdictKind) firewall.Verdict { return firewall.Verdict{Kind: kind, Chain: "leaf"} }
	lookup := func(set string, fields ...firewall.Field) firewall.Lookup {
		return firewall.Lookup{Fields: fields, Set: set}
	}
	fromTo := firewall.Addrs{From: addrs("10.0.0.1/32").From, To: addrs("10.0.0.6/32").From}
	notPorts := firewall.Match{
		Field: firewall.TCPSport, Not: true, Values: []firewall.Value{firewall.Range{First: 5, Last: 9}},
	}
	rules := [][]firewall.Statement{
		{lookup("web", firewall.MetaL4Proto, firewall.IPDaddr, port), accept},
		{lookup("ranges", firewall.IP6Saddr, port), firewall.Verdict{Kind: firewall.Return}},
		{firewall.Lookup{Fields: []firewall.Field{firewall.MetaOIFName}, Set: "links", Not: true}, firewall.Counter{}},
		{n(firewall.MetaOIF, firewall.LoopbackIndex), firewall.Log{Prefix: "x ", Group: &group}},
		{n(firewall.MetaOIFName, firewall.Name("eth0")), firewall.Log{Level: firewall.LevelInfo}},
		{notPorts, limit},
		{n(firewall.IPDaddr, fromTo), drop},
		{n(firewall.UDPSport, firewall.Number(67)), n(firewall.UDPDport, firewall.Number(68)), drop},
		{
			n(firewall.IP6Daddr, addrs("2001:db8::/33"), addrs("2001:db8:ffff::/48")),
			firewall.Add{Set: "seen", Fields: []firewall.Field{firewall.IP6Saddr}},
		},
		{
			n(firewall.CTDirection, firewall.Number(0)),
			n(firewall.CTState, firewall.StateNew|firewall.StateUntracked), leaf(firewall.Jump),
		},
		{
			n(firewall.TransportSport, firewall.Number(1)),
			firewall.Add{Set: "seen", Fields: []firewall.Field{firewall.IP6Daddr}, Limit: &limit},
		},
		{
			n(firewall.IPSaddr, addrs("10.0.0.1/32"), addrs("10.0.0.9/32")),
			n(firewall.MetaPktType, firewall.Number(1), firewall.Number(2)), leaf(firewall.Goto),
		},
		{flags(firewall.FlagSYN, firewall.FlagFIN|firewall.FlagSYN|firewall.FlagRST|firewall.FlagACK), firewall.Counter{}},
		{flags(0, firewall.FlagURG), n(firewall.TCPDport, firewall.Number(9)), reject(firewall.TCPReset)},
		{not(flags(firewall.FlagPSH|firewall.FlagACK, 0xff)), reject(firewall.AdminProhibited)},
		{n(firewall.MetaL4Proto, firewall.Number(6)), reject(firewall.TCPReset)},
		{n(firewall.MetaSKUID, firewall.Number(4242)), accept},
		{not(n(firewall.MetaSKUID, firewall.Number(0), firewall.Number(4242))), drop},
		{lookup("uids", firewall.MetaSKUID), accept},
		{lookup("tries", firewall.MetaNFProto), leaf(firewall.Goto)},
		{lookup("owned", firewall.IPDaddr, firewall.MetaL4Proto, port, firewall.MetaSKUID), accept},
		{
			n(firewall.MetaL4Proto, firewall.Number(6), firewall.Number(17)), add("refused", firewall.IP6Daddr,
				firewall.MetaL4Proto, port, firewall.MetaSKUID), firewall.Verdict{Kind: firewall.Return},
		},
		{add("knock", firewall.IPSaddr, firewall.MetaL4Proto, firewall.UDPDport)},
		{
			flags(firewall.FlagSYN, firewall.FlagSYN|firewall.FlagACK),
			add("knock", firewall.IPSaddr, firewall.MetaL4Proto, firewall.TCPDport), drop,
		},
	}
	r := firewall.Ruleset{
		Sets: []firewall.Set{
			{
				Name: "web", Key: []firewall.KeyType{firewall.InetProto, firewall.IPv4Addr, firewall.InetService},
				Elements: elements([]firewall.Value{firewall.Number(6), addrs("10.0.0.1/32"), firewall.Number(443)}),
			},
			{
				Name: "ranges", Interval: true, Key: []firewall.KeyType{firewall.IPv6Addr, firewall.InetService},
				Elements: elements(
					[]firewall.Value{addrs("2001:db8::/64"), firewall.Range{First: 20, Last: 30}},
					[]firewall.Value{addrs("2001:db8:1::1/128"), firewall.Number(53)}),
			},
			{
				Name: "links", Key: []firewall.KeyType{firewall.IfName},
				Elements: elements([]firewall.Value{firewall.Name("eth0")}),
			},
			{Name: "marks", Key: []firewall.KeyType{firewall.Mark}, Timed: true, Timeout: time.Hour, Size: 10},
			{
				Name: "seen", Key: []firewall.KeyType{firewall.IPv6Addr},
				Dynamic: true, Timed: true, Timeout: time.Minute, Size: 9,
			},
			{
				Name: "uids", Key: []firewall.KeyType{firewall.UID},
				Elements: elements([]firewall.Value{firewall.Number(0)}, []firewall.Value{firewall.Number(4242)}),
			},
			{
				Name: "tries", Key: []firewall.KeyType{firewall.NFProto},
				Elements: elements([]firewall.Value{firewall.NFProtoIPv4}, []firewall.Value{firewall.NFProtoIPv6}),
			},
			{
				Name: "owned",
				Key:  []firewall.KeyType{firewall.IPv4Addr, firewall.InetProto, firewall.InetService, firewall.UID},
				Elements: elements([]firewall.Value{
					addrs("10.0.0.1/32"), firewall.Number(6), firewall.Number(636), firewall.Number(4242)}),
			},
			{
				Name:    "refused",
				Key:     []firewall.KeyType{firewall.IPv6Addr, firewall.InetProto, firewall.InetService, firewall.UID},
				Dynamic: true, Timed: true, Timeout: time.Hour, Size: 4096,
			},
			{
				Name: "knock", Key: []firewall.KeyType{firewall.IPv4Addr, firewall.InetProto, firewall.InetService},
				Dynamic: true, Timed: true, Timeout: time.Hour, Size: 4096,
			},
			{Name: "names", Key: []firewall.KeyType{firewall.IPv6Addr}, Timed: true, Size: 1024},
		},
		Chains: []firewall.Chain{
			{Name: "leaf"},
			{Name: "post", Hook: &firewall.Hook{Name: "postrouting", Priority: 5}},
			{Name: "out", Hook: &firewall.Hook{Name: "output", Priority: -290, Drop: true}},
		},
	}
	for _, statements := range rules {
		r.Chains[2].Rules = append(r.Chains[2].Rules, firewall.Rule{Statements: statements, Comment: "why not"})
	}
	return r
}

func flags(want, mask firewall.Number) firewall.Match {
	return firewall.Match{Field: firewall.TCPFlags, Mask: mask, Values: []firewall.Value{want}}
}

func not(m firewall.Match) firewall.Match {
	m.Not = true
	return m
}

func reject(kind firewall.RejectKind) firewall.Reject { return firewall.Reject{Kind: kind} }

func add(set string, fields ...firewall.Field) firewall.Add {
	return firewall.Add{Set: set, Fields: fields, Counter: true}
}

func elements(keys ...[]firewall.Value) []firewall.Element {
	list := make([]firewall.Element, len(keys))
	for i, key := range keys {
		list[i].Key = key
	}
	return list
}

// TestEveryWord holds for the whole vocabulary what TestOneTextOneDump holds for compiled policies.
func TestEveryWord(t *testing.T) {
	newNamespace(t)
	rules := everyWord()
	want := fresh(t, rules)
	runNft(t, rules.String(), "-f", "-")
	if got := dumpHere(t); !got.Equal(want) {
		t.Fatalf("loaded by nft, and applied:\n%s", differingLines(got, want))
	}
	if drift := firewall.Diff(rules, want.Ruleset()); !drift.Empty() {
		t.Errorf("read back otherwise than written:\n%s", drift)
	}
}

// TestUnsupported holds that a kernel that lacks an instruction is said to lack it, by name, and that the search for it
// leaves nothing behind. The instruction is queue, which the test machine's kernel has not.
func TestUnsupported(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	if c.knows(&expr.Queue{Num: 1}) {
		t.Skip("this kernel has every instruction that could be missing")
	}
	code, err := encode.Ruleset(compile(t, hostPolicy()))
	if err != nil {
		t.Fatal(err)
	}
	code.Rules = append(code.Rules, encode.Rule{Chain: "inbound", Exprs: []expr.Any{&expr.Queue{Num: 1}}})
	err = c.write(t.Context(), order{table: firewall.Table, code: code}, rawTable{})
	const says = "the kernel lacks a feature: queue: load the module"
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want ErrUnsupported that names queue", err)
	}
	if left := runNft(t, "", "list", "ruleset"); left != "" {
		t.Errorf("a refused transaction left\n%s", left)
	}
}

// TestNoAnonymousIntervals holds that no compiled ruleset has an anonymous set with the flag interval: packets would find
// it empty for a moment after each change.
func TestNoAnonymousIntervals(t *testing.T) {
	sets := 0
	for seed := range uint64(300) {
		code, err := encode.Ruleset(compile(t, randomPolicy(seed)))
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range code.Rules {
			for _, a := range rule.Anonymous {
				if sets++; a.Spec.Interval {
					t.Errorf("seed %d: chain %s has one", seed, rule.Chain)
				}
			}
		}
	}
	if sets < 1000 {
		t.Errorf("%d anonymous sets: the test tells little", sets)
	}
}
