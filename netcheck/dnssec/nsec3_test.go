package dnssec_test

import (
	"encoding/base32"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"sallyport/netcheck/dnssec"
)

// matching is the signed NSEC3 record of a name of test., with these types.
func (w *world) matching(name string, types ...uint16) []dns.RR { return w.nsec3(name, 0, 0, types) }

// covering is a signed NSEC3 record of test. whose span holds the hash of the name, and little else.
func (w *world) covering(name string, flags uint8) []dns.RR { return w.nsec3(name, 1, flags, nil) }

// nsec3 is a signed NSEC3 record from so far before the name's hash to one step after it.
func (w *world) nsec3(name string, before byte, flags uint8, types []uint16) []dns.RR {
	encoding := base32.HexEncoding.WithPadding(base32.NoPadding)
	low, err := encoding.DecodeString(dns.HashName(name, dns.SHA1, 0, ""))
	if err != nil {
		w.t.Fatal(err)
	}
	high := slices.Clone(low)
	low[3], high[3] = low[3]-before, high[3]+1 // a wrap there only makes the span another one, and the test fail
	rr := &dns.NSEC3{Hdr: dns.RR_Header{Name: strings.ToLower(encoding.EncodeToString(low)) + ".test.",
		Rrtype: dns.TypeNSEC3, Class: dns.ClassINET, Ttl: 300}, Hash: dns.SHA1, Flags: flags, HashLength: 20,
		NextDomain: encoding.EncodeToString(high), TypeBitMap: types}
	return w.signed("test.", rr)
}

// TestNSEC3Proofs holds what proves by hashes that something is not there, and what does not.
func TestNSEC3Proofs(t *testing.T) {
	const optOut = 1
	for _, c := range []struct {
		name   string
		q      string
		rcode  int
		proof  func(w *world) [][]dns.RR
		status dnssec.Status
	}{
		{"no such name", "x.test.", 3, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("test.", dns.TypeSOA), w.covering("x.test.", 0), w.covering("*.test.", 0)}
		}, dnssec.Secure},
		{"no such name, with opt-out", "x.test.", 3, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("test.", dns.TypeSOA), w.covering("x.test.", optOut), w.covering("*.test.", 0)}
		}, dnssec.Insecure},
		{"the wildcard may be there", "x.test.", 3, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("test.", dns.TypeSOA), w.covering("x.test.", 0)}
		}, dnssec.Bogus},
		{"no encloser", "x.test.", 3, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.covering("x.test.", 0), w.covering("*.test.", 0)}
		}, dnssec.Bogus},
		{"the next closer name is not covered", "y.x.test.", 3, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("test.", dns.TypeSOA), w.covering("y.x.test.", 0), w.covering("*.test.", 0)}
		}, dnssec.Bogus},
		{"a delegation as encloser", "www.child.test.", 3, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("child.test.", dns.TypeNS, dns.TypeDS), w.covering("www.child.test.", 0),
				w.covering("*.child.test.", 0)}
		}, dnssec.Bogus},
		{"a DNAME as encloser", "x.moved.test.", 3, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("moved.test.", dns.TypeDNAME), w.covering("x.moved.test.", 0),
				w.covering("*.moved.test.", 0)}
		}, dnssec.Bogus},
		{"no such type", "x.test.", 0, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("x.test.", dns.TypeTXT)}
		}, dnssec.Secure},
		{"the type is there", "x.test.", 0, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("x.test.", dns.TypeA)}
		}, dnssec.Bogus},
		{"an alias is there", "x.test.", 0, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("x.test.", dns.TypeCNAME)}
		}, dnssec.Bogus},
		{"no such type at the wildcard", "x.test.", 0, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("test.", dns.TypeSOA), w.covering("x.test.", 0), w.matching("*.test.", dns.TypeTXT)}
		}, dnssec.Secure},
		{"the wildcard has the type", "x.test.", 0, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("test.", dns.TypeSOA), w.covering("x.test.", 0), w.matching("*.test.", dns.TypeA)}
		}, dnssec.Bogus},
		{"covered, and the wildcard untold", "x.test.", 0, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("test.", dns.TypeSOA), w.covering("x.test.", 0)}
		}, dnssec.Bogus},
		{"records of unknown flags", "x.test.", 3, func(w *world) [][]dns.RR {
			return [][]dns.RR{w.matching("test.", dns.TypeSOA), w.covering("x.test.", 2), w.covering("*.test.", 0)}
		}, dnssec.Bogus},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.denies(c.q, dns.TypeA, c.rcode, c.proof(w)...)
			if v := w.validate(c.q, dns.TypeA); v.Status != c.status {
				t.Errorf("%s, want %s", v, c.status)
			}
		})
	}
}
