package census

import (
	"sallyport/firewall/kernel/attribute"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzLegacy reads arbitrary bytes as the entries of a table of legacy iptables: no panic.
func FuzzLegacy(f *testing.F) {
	f.Add(true, uint32(0x1f), uint32(0), uint32(152), make([]byte, 400))
	f.Add(false, uint32(2), uint32(0), uint32(0), []byte{})
	f.Fuzz(func(_ *testing.T, six bool, hooks, entry, policy uint32, b []byte) {
		family, layout := byte(unix.NFPROTO_IPV4), layout4()
		if six {
			family, layout = unix.NFPROTO_IPV6, layout6()
		}
		info := legacyTable{hooks: hooks, size: uint32(len(b))}
		for i := range legacyHooks {
			info.entries[i], info.polices[i] = entry, policy+uint32(i)*uint32(layout.header+legacyMatch+8)
		}
		table, err := decodeLegacy(family, "filter", layout, info, b)
		if err != nil {
			return
		}
		for _, c := range table.Chains {
			for _, r := range c.Rules {
				_ = r.String()
			}
		}
	})
}

// FuzzMatches reads arbitrary bytes as the data of matches and targets of xtables: no panic.
func FuzzMatches(f *testing.F) {
	for _, name := range []string{
		"conntrack", "state", "tcp", "udp", "multiport", "addrtype", "pkttype", "iprange", "set", "DNAT", "REDIRECT",
		"TPROXY", "CT",
	} {
		f.Add(name, byte(1), make([]byte, 200))
	}
	f.Fuzz(func(t *testing.T, name string, revision byte, info []byte) {
		for _, family := range []byte{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6} {
			for _, s := range XTMatch(family, name, uint64(revision), info) {
				plain(t, s.Text)
			}
			plain(t, XTTarget(family, name, uint64(revision), info).Text)
		}
	})
}

// plain holds that a text can be shown to a person.
func plain(t testing.TB, text string) {
	t.Helper()
	unprintable := func(r rune) bool { return r < ' ' || r > '~' }
	if len(text) > valueText+len("...")+nameText || strings.ContainsFunc(text, unprintable) {
		t.Errorf("%q", text)
	}
}

// FuzzPrograms reads arbitrary bytes as what rtnetlink tells of links and filters: no panic.
func FuzzPrograms(f *testing.F) {
	named := attribute.Encode(unix.TCA_OPTIONS, attribute.String(tcaBPFName, "x"))
	f.Add(slices.Concat(attribute.String(unix.TCA_KIND, "bpf"), named))
	xdp := attribute.Encode(unix.IFLA_XDP, attribute.Encode(unix.IFLA_XDP_ATTACHED, []byte{1}))
	f.Add(slices.Concat(attribute.String(unix.IFLA_IFNAME, "eth0"), xdp))
	f.Fuzz(func(t *testing.T, message []byte) {
		attrs, err := attribute.Parse(message)
		if err != nil {
			return
		}
		for _, parse := range []func(attribute.List) (Program, bool){parseFilter, parseXDP} {
			if p, ok := parse(attrs); ok {
				plain(t, p.Kind+p.Link+p.Name+strings.Join(p.Actions[:min(len(p.Actions), 1)], ""))
			}
		}
	})
}
