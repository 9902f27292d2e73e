package dnssec

import (
	"testing"

	"github.com/miekg/dns"
)

// TestSpans holds which hashes an NSEC3 record covers, also where it leads back to the first one of its zone.
func TestSpans(t *testing.T) {
	for _, c := range []struct {
		owner, next, hash hashed
		covers            bool
	}{
		{"b", "d", "c", true}, {"b", "d", "b", false}, {"b", "d", "d", false}, {"b", "d", "a", false},
		{"b", "d", "e", false},
		{"y", "b", "z", true}, {"y", "b", "a", true}, {"y", "b", "y", false}, {"y", "b", "b", false}, {"y", "b", "m", false},
		{"b", "b", "c", true}, {"b", "b", "a", true}, {"b", "b", "b", false},
	} {
		if got := (nsec3{owner: c.owner, next: c.next}).covers(c.hash); got != c.covers {
			t.Errorf("%s to %s covers %s: %v", c.owner, c.next, c.hash, got)
		}
	}
}

// TestSidesOfACut holds what the two sides of a delegation may deny.
func TestSidesOfACut(t *testing.T) {
	parent, child := bits{dns.TypeNS}, bits{dns.TypeNS, dns.TypeSOA}
	n := name("\x01a\x00")
	for _, c := range []struct {
		side  bits
		n     name
		kind  uint16
		lacks bool
		cut   proof
	}{
		{parent, n, dns.TypeDS, true, provedCut},
		{parent, n, dns.TypeA, false, provedCut},
		{child, n, dns.TypeDS, false, unproved},
		{child, n, dns.TypeA, true, unproved},
		{child, root, dns.TypeDS, true, unproved},
		{bits{dns.TypeNS, dns.TypeDS}, n, dns.TypeDS, false, unproved},
		{bits{dns.TypeA}, n, dns.TypeDS, true, provedPlain},
		{bits{nxName}, n, dns.TypeA, true, provedNone},
	} {
		if got := c.side.lacks(c.n, c.kind); got != c.lacks {
			t.Errorf("%v denies %s: %v", c.side, typeName(c.kind), got)
		}
		if got := c.side.cut(); got != c.cut {
			t.Errorf("%v proves %d of a delegation, want %d", c.side, got, c.cut)
		}
	}
}
