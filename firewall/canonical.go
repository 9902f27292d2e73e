package firewall

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"
)

// way is an exception in its one canonical form: sources and ports merged, everything in ascending order.
type way struct {
	name       string
	management bool
	any        bool
	tcp, udp   []Value // Number or Range
	v4, v6     []Element
	hosts4     []Element // single addresses, where they are so many that they have a set of their own
	hosts6     []Element
	exact      []Value // interface names
	wildcards  []Name  // interface names that end in *
}

// canonicalWays gives the management exceptions, then the others, each sorted by name.
func canonicalWays(p Policy) ([]way, error) {
	ways := make([]way, 0, len(p.Management)+len(p.Allow))
	for i, e := range slices.Concat(p.Management, p.Allow) {
		w, err := canonicalWay(e)
		if err != nil {
			return nil, fmt.Errorf("exception %q: %w", e.Name, err)
		}
		w.management = i < len(p.Management)
		ways = append(ways, w)
	}
	slices.SortFunc(ways, func(a, b way) int {
		if a.management != b.management {
			if a.management {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.name, b.name)
	})
	return ways, nil
}

func canonicalWay(e Exception) (way, error) {
	w := way{name: e.Name, any: e.Any, tcp: mergedPorts(e.Ports, TCP), udp: mergedPorts(e.Ports, UDP)}
	w.exact, w.wildcards = mergedInterfaces(e.Interfaces)
	var err error
	if w.v4, w.v6, err = mergedSources(e.From); err != nil {
		return way{}, err
	}
	w.v4, w.hosts4 = hostsApart(w.v4)
	w.v6, w.hosts6 = hostsApart(w.v6)
	return w, nil
}

// mergedSources joins what overlaps and what touches: overlapping elements are refused by the kernel (EEXIST).
func mergedSources(prefixes []netip.Prefix) (v4, v6 []Element, err error) {
	var b netipx.IPSetBuilder
	for _, p := range prefixes {
		b.AddPrefix(p)
	}
	set, err := b.IPSet()
	if err != nil {
		return nil, nil, fmt.Errorf("merging the sources: %w", err)
	}
	for _, r := range set.Ranges() {
		e := Element{Key: []Value{Addrs{From: r.From(), To: r.To()}}}
		if r.From().Is4() {
			v4 = append(v4, e)
		} else {
			v6 = append(v6, e)
		}
	}
	return v4, v6, nil
}

// manyHosts is from how many single addresses on these have a set of their own, which is a hash: a look into it takes the
// same time however many there are. In a set of intervals, which is a tree, it grows with their number (from 10 to 50,000
// by a sixth of the whole input path, or more where packets come from many of them), each address takes two nodes, and
// loading and listing the set takes five times as long.
const manyHosts = 8

// hostsApart takes many single addresses out of the networks and ranges; few stay where they are.
func hostsApart(elements []Element) (networks, hosts []Element) {
	for _, e := range elements {
		if isHost(e) {
			hosts = append(hosts, e)
		} else {
			networks = append(networks, e)
		}
	}
	if len(hosts) < manyHosts {
		return elements, nil
	}
	return networks, hosts
}

func isHost(e Element) bool {
	a, ok := e.Key[0].(Addrs)
	return ok && a.From == a.To
}

func mergedPorts(ports []Ports, protocol Protocol) []Value {
	var ranges []Range
	for _, p := range ports {
		if p.Protocol == protocol {
			ranges = append(ranges, Range{First: uint32(p.First), Last: uint32(p.Last)})
		}
	}
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	var merged []Range
	for _, r := range ranges {
		if n := len(merged); n > 0 && r.First <= merged[n-1].Last+1 {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	values := make([]Value, len(merged))
	for i, r := range merged {
		values[i] = r
		if r.First == r.Last {
			values[i] = Number(r.First)
		}
	}
	return values
}

// mergedInterfaces drops names that a wildcard covers.
func mergedInterfaces(names []string) (exact []Value, wildcards []Name) {
	sorted := slices.Compact(slices.Sorted(slices.Values(names)))
	for _, name := range sorted {
		covered := slices.ContainsFunc(sorted, func(other string) bool {
			stem, wild := strings.CutSuffix(other, "*")
			return wild && other != name && strings.HasPrefix(strings.TrimSuffix(name, "*"), stem)
		})
		switch {
		case covered:
		case strings.HasSuffix(name, "*"):
			wildcards = append(wildcards, Name(name))
		default:
			exact = append(exact, Name(name))
		}
	}
	return exact, wildcards
}

// policyHash is the hash of a policy in canonical form: equal policies have equal hashes, whatever their order and
// however their addresses and ports are split. Names cannot hold a space, so the lines are unambiguous.
func policyHash(p Policy, ways []way, exits []exit) string {
	h := sha256.New()
	put := func(format string, args ...any) { _, _ = fmt.Fprintf(h, format, args...) } // a hash does not fail
	put("ping %t\nforward %d\n", p.Ping, uint8(p.Forward))
	for _, w := range ways {
		kind := "allow"
		if w.management {
			kind = "management"
		}
		put("%s %s any %t\n", kind, w.name, w.any)
		putValues(h, "tcp", w.tcp)
		putValues(h, "udp", w.udp)
		putValues(h, "exact", w.exact)
		for _, name := range w.wildcards {
			put(" wildcard %s\n", name)
		}
		for _, sources := range [][]Element{w.v4, w.hosts4, w.v6, w.hosts6} {
			for _, e := range sources {
				put(" from %s\n", e)
			}
		}
	}
	if p.Egress.Mode != EgressOpen { // what is not guarded is not part of it, whatever it names
		put("egress %s\n", p.Egress.Mode)
		for _, x := range exits {
			x.hash(h)
		}
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func putValues(w io.Writer, what string, values []Value) {
	for _, v := range values {
		_, _ = fmt.Fprintf(w, " %s %s\n", what, valueText(0, v)) // a hash does not fail
	}
}
