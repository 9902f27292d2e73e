package kernel

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
)

// recorded is a snapshot of testdata/host.nft and some more as a kernel gave it (6.18, little-endian), for tests without a
// kernel.
const recorded = "testdata/host.snapshot"

// TestRecord takes the snapshot anew with go test -run TestRecord -record; otherwise it holds that the recorded one is
// what this kernel gives too.
func TestRecord(t *testing.T) {
	newNamespace(t)
	loadNft(t, hostRuleset(t))
	loadNft(t, `table inet sallyport {
	map verdicts { type inet_service : verdict; elements = { 7 : jump icmp_in, 9 : drop }; }
	map ranges { type ipv4_addr : mark; flags interval; elements = { 10.0.0.0-10.0.0.9 : 1, 10.0.0.10-10.0.0.19 : 2 }; }
	set pipapo { type ipv4_addr . inet_proto . inet_service; flags interval; elements = { 10.0.0.0/8 . 6 . 1-9 }; }
	set counted { type ipv4_addr; counter; elements = { 10.0.0.1 counter packets 1 bytes 2 comment "c" }; }
	set every { type inet_service; flags interval; elements = { 0-65535 }; }
	quota q { over 10 mbytes; comment "c"; }
	limit l { rate 10 mbytes/second; }
	chain odd { comment "chain"; tcp dport vmap @verdicts comment "rule"
		ip saddr . meta l4proto . th dport @pipapo quota name q
		ip saddr != 10.0.0.1-10.0.0.9 tcp flags syn meta mark set 7
		iifname "eth*" iifname != { "a", "b" } udp dport != 5-9 udp length 8 counter packets 5 bytes 9
		ct state ! new limit rate over 5/day ip ttl 5 log prefix "p" level info flags all return
	}
}
`)
	s, err := open4Test(t).snapshot(t.Context(), firewall.Table, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := newDump(s)
	if err != nil {
		t.Fatal(err)
	}
	if *record {
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(s); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(recorded, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(recordedWords, []byte(got.Ruleset().String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got.Ruleset().String() != mustDump(t, readRecorded(t)).Ruleset().String() {
		t.Errorf("this kernel's differs:\n%s", differingLines(mustDump(t, readRecorded(t)), got))
	}
}

const recordedWords = "testdata/host.words"

var record = flag.Bool("record", false, "record testdata/host.snapshot and host.words anew")

func readRecorded(t testing.TB) snapshot {
	t.Helper()
	b, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	var s snapshot
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func mustDump(t testing.TB, s snapshot) Dump {
	t.Helper()
	d, err := newDump(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestReadInWords(t *testing.T) {
	want, err := os.ReadFile(recordedWords)
	if err != nil {
		t.Fatal(err)
	}
	if got := mustDump(t, readRecorded(t)).Ruleset().String(); got != string(want) {
		t.Errorf("read:\n%s\nwant:\n%s", got, want)
	}
}

// FuzzDump puts arbitrary bytes in the place of one message: no panic, and the same bytes give the same dump.
func FuzzDump(f *testing.F) {
	base := readRecorded(f)
	for where, messages := range map[byte][][]byte{
		0: base.Chains, 1: base.Rules, 2: base.Sets, 3: base.Objects,
		4: {attribute.String(nftaFlowtableName, "f")}, 5: {base.Table},
		6: base.Elements["mgmt4"], 7: base.Elements["verdicts"], 8: base.Elements["pipapo"], 9: base.Elements["ranges"],
	} {
		for _, message := range messages {
			f.Add(where, message)
		}
	}
	f.Fuzz(func(t *testing.T, where byte, message []byte) {
		s := readRecorded(t)
		put(&s, where%10, message)
		d, err := newDump(s)
		if err != nil {
			return
		}
		again := mustDump(t, s)
		if !d.Equal(again) || d.String() != again.String() {
			t.Error("the same bytes give two dumps")
		}
		words := d.Ruleset()
		if drift := firewall.Diff(words, words); !drift.Empty() {
			t.Errorf("a ruleset differs from itself:\n%s", drift)
		}
		_ = words.String()
	})
}

// put adds a message to one of the places of a snapshot.
func put(s *snapshot, where byte, message []byte) {
	switch where {
	case 0:
		s.Chains = append(s.Chains, message)
	case 1:
		s.Rules = append(s.Rules, message)
	case 2:
		s.Sets = append(s.Sets, message)
	case 3:
		s.Objects = append(s.Objects, message)
	case 4:
		s.Flowtables = append(s.Flowtables, message)
	case 5:
		s.Table = message
	default:
		set := map[byte]string{6: "mgmt4", 7: "verdicts", 8: "pipapo", 9: "ranges"}[where]
		s.Elements[set] = append(s.Elements[set], message)
	}
}

// TestMalformed holds the sentences for what cannot be read.
func TestMalformed(t *testing.T) {
	tests := map[string]func(*snapshot){
		"table: malformed netlink attribute: 1 bytes left, a header has 4": func(s *snapshot) { s.Table = []byte{1} },
		"chain: malformed netlink attribute: length 3 of 4 bytes": func(s *snapshot) {
			s.Chains = [][]byte{binary.NativeEndian.AppendUint32(nil, 3)}
		},
		`rule of the chain "nowhere", which the dump does not have`: func(s *snapshot) {
			s.Rules = append(s.Rules, attribute.String(unix.NFTA_RULE_CHAIN, "nowhere"))
		},
		"set: malformed netlink attribute: length 9 of 4 bytes": func(s *snapshot) {
			s.Sets = [][]byte{binary.NativeEndian.AppendUint32(nil, 9)}
		},
		`set "mgmt4": elements: malformed netlink attribute: 2 bytes left, a header has 4`: func(s *snapshot) {
			s.Elements["mgmt4"] = [][]byte{{0, 0}}
		},
	}
	for want, damage := range tests {
		s := readRecorded(t)
		damage(&s)
		d, err := newDump(s)
		if want = "cannot read the dump of table inet sallyport: " + want; err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
		if d.Equal(d) {
			t.Errorf("%s: a dump that failed is equal to something", want)
		}
	}
}

// TestDeepNesting builds expressions inside expressions, deeper than the kernel has them.
func TestDeepNesting(t *testing.T) {
	e := attribute.String(unix.NFTA_EXPR_NAME, exprDynset)
	for range 1000 {
		inner := attribute.Encode(unix.NFTA_EXPR_DATA, attribute.Encode(nftaDynsetExpr, e))
		e = append(attribute.String(unix.NFTA_EXPR_NAME, exprDynset), inner...)
	}
	if _, err := decodeExpression(e, 0); err == nil {
		t.Error("a thousand levels are read")
	}
}

func number32(kind uint16, n uint32) []byte {
	return attribute.Encode(kind, binary.BigEndian.AppendUint32(nil, n))
}

// TestMalformedUserdata puts a set with a note that is longer than it is into another table and into ours. google/nftables
// panics when it meets one.
func TestMalformedUserdata(t *testing.T) {
	newNamespace(t)
	loadNft(t, "table inet sallyport { set clean { type ipv4_addr; }; }\n")
	before := dumpHere(t)
	loadNft(t, "add table inet other\n")
	addSet(t, "other")
	if !dumpHere(t).Equal(before) {
		t.Error("a set of another table shows")
	}
	addSet(t, firewall.Table)
	if d := dumpHere(t); d.Equal(before) || len(d.Ruleset().Sets) != 2 {
		t.Errorf("a set with a malformed note does not show:\n%s", d)
	}
}

func addSet(t testing.TB, table string) {
	t.Helper()
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	set := slices.Concat(attribute.String(unix.NFTA_SET_TABLE, table), attribute.String(unix.NFTA_SET_NAME, "s"),
		number32(unix.NFTA_SET_KEY_TYPE, 7), number32(unix.NFTA_SET_KEY_LEN, 4), number32(unix.NFTA_SET_ID, 1),
		attribute.Encode(unix.NFTA_SET_USERDATA, []byte{7, 200, 'x', 0}))
	message := func(kind netlink.HeaderType, flags netlink.HeaderFlags, resource byte, attrs []byte) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: kind, Flags: netlink.Request | flags},
			Data:   append([]byte{familyInet, unix.NFNETLINK_V0, 0, resource}, attrs...),
		}
	}
	_, err = conn.SendMessages([]netlink.Message{
		message(unix.NFNL_MSG_BATCH_BEGIN, 0, unix.NFNL_SUBSYS_NFTABLES, nil),
		message(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWSET, netlink.Create|netlink.Acknowledge, 0, set),
		message(unix.NFNL_MSG_BATCH_END, 0, unix.NFNL_SUBSYS_NFTABLES, nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Receive(); err != nil {
		t.Fatal(err)
	}
}

// TestOnlyOurTable tells messages of our table from those of others by the table's name alone.
func TestOnlyOurTable(t *testing.T) {
	ours, theirs := attribute.String(1, firewall.Table), attribute.String(1, firewall.Table+"2")
	for _, test := range []struct {
		message []byte
		want    bool
	}{
		{ours, true},
		{theirs, false},
		{slices.Concat(number32(2, 0), ours), true},
		{slices.Concat([]byte{0, 0}, ours), false},
		{append(slices.Clone(ours), 0xff), true}, // ours, and malformed: decoding says so
		{nil, false},
	} {
		if got := ofTable(test.message, firewall.Table); got != test.want {
			t.Errorf("%x: %v", test.message, got)
		}
	}
}
