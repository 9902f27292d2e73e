package dnssec_test

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/netcheck/dnssec"
)

const (
	wwwA    = "www.test. 300 IN A 192.0.2.1"
	apex    = "test. 300 IN NSEC alias.test. NS SOA RRSIG NSEC DNSKEY"
	childNS = "child.test. 300 IN NSEC d.test. NS DS RRSIG NSEC"
	last    = "www.test. 300 IN NSEC test. A RRSIG NSEC"
)

// TestForgeries holds what is made of answers that a liar builds from records that are signed, or that are not.
func TestForgeries(t *testing.T) {
	for _, c := range []struct {
		name   string
		q      string
		kind   uint16
		lie    func(w *world)
		status dnssec.Status
		code   dnssec.Code
	}{
		{"honest", "www.test.", dns.TypeA, func(w *world) { w.says("www.test.", dns.TypeA, w.set("test.", wwwA)) },
			dnssec.Secure, ""},
		{"in other case", "www.test.", dns.TypeA, func(w *world) {
			set := w.set("test.", wwwA, "www.test. 300 IN A 192.0.2.2")
			set[0].Header().Name, set[2].Header().Name = "wWw.TEST.", "WWW.test."
			w.says("www.test.", dns.TypeA, set)
		}, dnssec.Secure, ""},
		{"a record added", "www.test.", dns.TypeA, func(w *world) {
			w.says("www.test.", dns.TypeA, append(w.set("test.", wwwA), w.records("www.test. 300 IN A 192.0.2.66")...))
		}, dnssec.Bogus, dnssec.CodeBadSignature},
		{"signed by a zone that is none", "www.test.", dns.TypeA, func(w *world) {
			w.zone("www.test.", "")
			w.says("www.test.", dns.TypeA, w.set("www.test.", wwwA))
			w.denies("www.test.", dns.TypeDS, 0, w.set("test.", last))
		}, dnssec.Bogus, dnssec.CodeKeyMissing},
		{"signed by a zone whose name is the end of its text", "wwwtest.", dns.TypeA, func(w *world) {
			set := w.set("test.", wwwA)
			set[0].Header().Name, set[1].Header().Name = "wwwtest.", "wwwtest."
			w.says("wwwtest.", dns.TypeA, set)
			w.denies("wwwtest.", dns.TypeDS, 3, w.set(".", "test. 300 IN NSEC . NS DS RRSIG NSEC"))
		}, dnssec.Bogus, dnssec.CodeSignatureMissing},
		{"signed by the sibling", "www.test.", dns.TypeA, func(w *world) {
			set := w.set("child.test.", "www.child.test. 300 IN A 192.0.2.66")
			set[0].Header().Name, set[1].Header().Name = "www.test.", "www.test."
			w.says("www.test.", dns.TypeA, set)
			w.denies("www.test.", dns.TypeDS, 0, w.set("test.", last))
		}, dnssec.Bogus, dnssec.CodeSignatureMissing},
		{"a key of the zone that nobody vouches for", "www.test.", dns.TypeA, func(w *world) {
			w.keys["good"] = w.keys["test."]
			w.zone("test.", "")
			w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
		}, dnssec.Bogus, dnssec.CodeKeyMissing},
		{"a wildcard's record without the denial", "a.test.", dns.TypeA, func(w *world) { wild(w, "a.test.", nil) },
			dnssec.Bogus, dnssec.CodeDenialMissing},
		{"a wildcard's record for a name that exists", "www.test.", dns.TypeA, func(w *world) {
			wild(w, "www.test.", w.set("test.", last))
		}, dnssec.Bogus, dnssec.CodeDenialMissing},
		{"a wildcard's record", "e.test.", dns.TypeA, func(w *world) {
			wild(w, "e.test.", w.set("test.", "d.test. 300 IN NSEC f.test. A RRSIG NSEC"))
		}, dnssec.Secure, ""},
		{"a wildcard's record below a nearer name", "e.d.test.", dns.TypeA, func(w *world) {
			wild(w, "e.d.test.", w.set("test.", "d.test. 300 IN NSEC f.test. A RRSIG NSEC"))
		}, dnssec.Bogus, dnssec.CodeDenialMissing},
		{"the delegation denies what is below it", "www.child.test.", dns.TypeA, func(w *world) {
			w.denies("www.child.test.", dns.TypeA, 3, w.set("test.", childNS), w.set("test.", apex))
		}, dnssec.Bogus, dnssec.CodeDenialMissing},
		{"the delegation denies the child's records", "child.test.", dns.TypeMX, func(w *world) {
			w.denies("child.test.", dns.TypeMX, 0, w.set("test.", childNS))
		}, dnssec.Bogus, dnssec.CodeDenialMissing},
		{"the child denies its delegation", "www.child.test.", dns.TypeA, func(w *world) {
			w.says("www.child.test.", dns.TypeA, w.records("www.child.test. 300 IN A 192.0.2.66"))
			w.denies("child.test.", dns.TypeDS, 0,
				w.set("child.test.", "child.test. 300 IN NSEC www.child.test. NS SOA RRSIG NSEC DNSKEY"))
		}, dnssec.Bogus, dnssec.CodeSignatureMissing},
		{"a denial made from a wildcard's", "www.test.", dns.TypeA, func(w *world) {
			set := w.set("test.", "*.test. 300 IN NSEC a.test. TXT RRSIG NSEC")
			set[0].Header().Name, set[1].Header().Name = "www.test.", "www.test."
			w.denies("www.test.", dns.TypeA, 0, set)
		}, dnssec.Bogus, dnssec.CodeBadSignature},
		{"a name that exists is said not to", "www.test.", dns.TypeMX, func(w *world) {
			w.denies("www.test.", dns.TypeMX, 3, w.set("test.", last), w.set("test.", apex))
		}, dnssec.Bogus, dnssec.CodeDenialMissing},
		{"the wildcard is not denied", "x.test.", dns.TypeA, func(w *world) {
			w.denies("x.test.", dns.TypeA, 3, w.set("test.", last))
		}, dnssec.Bogus, dnssec.CodeDenialMissing},
		{"no such name", "x.test.", dns.TypeA, func(w *world) {
			w.denies("x.test.", dns.TypeA, 3, w.set("test.", last), w.set("test.", apex))
		}, dnssec.Secure, ""},
		{"a compact denial", "x.test.", dns.TypeA, func(w *world) {
			w.denies("x.test.", dns.TypeA, 3, w.set("test.", `x.test. 300 IN NSEC \000.x.test. RRSIG NSEC TYPE128`))
		}, dnssec.Secure, ""},
		{"a CNAME that the DNAME does not make", "a.moved.test.", dns.TypeA, func(w *world) {
			w.says("a.moved.test.", dns.TypeA, append(append(w.set("test.", "moved.test. 300 IN DNAME child.test."),
				w.records("a.moved.test. 300 IN CNAME evil.child.test.")...),
				w.set("child.test.", "evil.child.test. 300 IN A 192.0.2.66")...))
		}, dnssec.Bogus, dnssec.CodeForgedAlias},
		{"aliases that lead round", "a.test.", dns.TypeA, func(w *world) {
			w.says("a.test.", dns.TypeA, append(w.set("test.", "a.test. 300 IN CNAME b.test."),
				w.set("test.", "b.test. 300 IN CNAME a.test.")...))
		}, dnssec.Indeterminate, dnssec.CodeAliasLoop},
		{"SHA-1 is right and SHA-256 is not", "www.test.", dns.TypeA, func(w *world) {
			good := w.keys["test."].public.ToDS(dns.SHA1)
			bad := w.keys["child.test."].public.ToDS(dns.SHA256)
			bad.Hdr.Name, bad.KeyTag = "test.", good.KeyTag
			w.says("test.", dns.TypeDS, w.signed(".", good, bad))
			w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
		}, dnssec.Bogus, dnssec.CodeKeyMissing},
		{"only SHA-1", "www.test.", dns.TypeA, func(w *world) {
			w.says("test.", dns.TypeDS, w.signed(".", w.keys["test."].public.ToDS(dns.SHA1)))
			w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
		}, dnssec.Secure, ""},
		{"a digest that is not known", "www.test.", dns.TypeA, func(w *world) {
			ds := w.keys["test."].public.ToDS(dns.SHA256)
			ds.DigestType = 99
			w.says("test.", dns.TypeDS, w.signed(".", ds))
			w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
		}, dnssec.Insecure, dnssec.CodeUnsupportedDigest},
		{"a key that is revoked", "www.test.", dns.TypeA, func(w *world) { withFlags(w, 257|dns.REVOKE) },
			dnssec.Bogus, dnssec.CodeKeyMissing},
		{"a key that is no zone's", "www.test.", dns.TypeA, func(w *world) { withFlags(w, 0) },
			dnssec.Bogus, dnssec.CodeKeyMissing},
		{"keys that expired", "www.test.", dns.TypeA, func(w *world) {
			w.says("test.", dns.TypeDNSKEY, w.signedFor("test.", -4*time.Hour, -time.Hour, w.keys["test."].public))
			w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
		}, dnssec.Bogus, dnssec.CodeExpired},
		{"one signature expired, one holds", "www.test.", dns.TypeA, func(w *world) {
			w.says("www.test.", dns.TypeA, append(w.signedFor("test.", -4*time.Hour, -time.Hour, w.records(wwwA)...),
				w.set("test.", wwwA)[1]))
		}, dnssec.Secure, ""},
		{"keys signed by one that nobody vouches for, beside the true one", "www.test.", dns.TypeA, func(w *world) {
			good, trueDS := w.keys["test."].public, w.said["test.DS"]
			w.zone("test.", ".")
			w.said["test.DS"] = trueDS
			w.says("test.", dns.TypeDNSKEY, w.signed("test.", good, w.keys["test."].public))
			w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
		}, dnssec.Bogus, dnssec.CodeKeyMissing},
		{"a DS record made from a wildcard's", "www.child.test.", dns.TypeA, func(w *world) {
			ds := w.keys["child.test."].public.ToDS(dns.SHA256)
			ds.Hdr.Name = "*.test."
			set := w.signed("test.", ds)
			set[0].Header().Name, set[1].Header().Name = "child.test.", "child.test."
			w.says("child.test.", dns.TypeDS, set)
			w.says("www.child.test.", dns.TypeA, w.set("child.test.", "www.child.test. 300 IN A 192.0.2.66"))
		}, dnssec.Bogus, dnssec.CodeBadSignature},
		{"an alias that is denied", "www.test.", dns.TypeMX, func(w *world) {
			w.denies("www.test.", dns.TypeMX, 0, w.set("test.", "www.test. 300 IN NSEC test. CNAME RRSIG NSEC"))
		}, dnssec.Bogus, dnssec.CodeDenialMissing},
		{"only the keys come without signatures", "www.test.", dns.TypeA, func(w *world) {
			w.says(".", dns.TypeDNSKEY, bare(w.said[".DNSKEY"].Answer))
			w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
		}, dnssec.Indeterminate, dnssec.CodeStripped},
		{"nobody tells the DS records", "www.test.", dns.TypeA, func(w *world) {
			delete(w.said, "test.DS")
			w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
		}, dnssec.Indeterminate, dnssec.CodeNoAnswer},
		{"an answer that ends at the alias", "a.test.", dns.TypeA, func(w *world) {
			w.says("a.test.", dns.TypeA, w.set("test.", "a.test. 300 IN CNAME www.child.test."))
			w.says("www.child.test.", dns.TypeA, w.set("child.test.", "www.child.test. 300 IN A 192.0.2.1"))
		}, dnssec.Secure, ""},
		{"an answer that ends at the alias of a forged one", "a.test.", dns.TypeA, func(w *world) {
			w.says("a.test.", dns.TypeA, w.set("test.", "a.test. 300 IN CNAME www.child.test."))
			w.says("www.child.test.", dns.TypeA, w.records("www.child.test. 300 IN A 192.0.2.66"))
			w.denies("www.child.test.", dns.TypeDS, 0, w.set("child.test.", "www.child.test. 300 IN NSEC child.test. A"))
		}, dnssec.Bogus, dnssec.CodeSignatureMissing},
		{"SERVFAIL", "www.test.", dns.TypeA, func(w *world) { w.denies("www.test.", dns.TypeA, dns.RcodeServerFailure) },
			dnssec.Indeterminate, dnssec.CodeNoAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.lie(w)
			v := w.validate(c.q, c.kind)
			if v.Status != c.status || v.Reason.Code != c.code {
				t.Errorf("%s (%s), want %s %s", v, v.Reason.Code, c.status, c.code)
			}
			if v.Status != dnssec.Secure && (v.Reason.String() == "" || strings.Contains(v.Reason.String(), "%!")) {
				t.Errorf("no words for %s: %q", v.Reason.Code, v.Reason)
			}
		})
	}
}

// wild has a record of *.test. answered for the name.
func wild(w *world, name string, denial []dns.RR) {
	set := w.set("test.", "*.test. 300 IN A 192.0.2.7")
	set[0].Header().Name, set[1].Header().Name = name, name
	w.denies(name, dns.TypeA, 0, denial)
	w.said[worldKeyOf(name, dns.TypeA)].Answer = set
}

// withFlags gives the key of test. these flags, with all that hangs on it.
func withFlags(w *world, flags uint16) {
	k := w.keys["test."]
	k.public.Flags = flags
	w.says("test.", dns.TypeDNSKEY, w.signed("test.", k.public))
	w.says("test.", dns.TypeDS, w.signed(".", k.public.ToDS(dns.SHA256)))
	w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
}

// TestStrippedSignatures holds that a resolver which hands out no signatures is told from a forged answer, also when the
// keys are known from before.
func TestStrippedSignatures(t *testing.T) {
	w := newWorld(t)
	w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
	v := w.validator(".")
	for _, strip := range []bool{false, true} {
		w.strip = strip
		got := w.by(v, "www.test.", dns.TypeA)
		if strip && (got.Status != dnssec.Indeterminate || got.Reason.Code != dnssec.CodeStripped) ||
			!strip && got.Status != dnssec.Secure {
			t.Errorf("stripped %v: %s", strip, got)
		}
	}
}

// TestClockOnly holds that a right signature at the wrong time says so, and by how much.
func TestClockOnly(t *testing.T) {
	w := newWorld(t)
	w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
	for away, words := range map[time.Duration]string{
		3*time.Hour + 7*time.Second: "ended 2h0m7s ago, at 2026-01-01T13:00:00Z",
		-90 * time.Minute:           "begins only in 30m0s, at 2026-01-01T11:00:00Z",
	} {
		answer, _ := w.ask(t.Context(), "www.test.", dns.TypeA)
		v := w.validator(".").Validate(t.Context(), w.ask, dnssec.Question{Name: "www.test.", Type: dns.TypeA}, answer,
			w.now.Add(away))
		if v.Status != dnssec.Bogus || !v.ClockOnly || !strings.Contains(v.String(), words) {
			t.Errorf("%s away: %s", away, v)
		}
	}
}

// TestAnchors holds that a chain begins at the nearest anchor, and that there is none without.
func TestAnchors(t *testing.T) {
	w := newWorld(t)
	w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
	w.says("other.", dns.TypeA, w.set(".", "other. 300 IN A 192.0.2.1"))
	near := w.validator("test.")
	if v := w.by(near, "www.test.", dns.TypeA); v.Status != dnssec.Secure || len(v.Chain) != 1 || v.Questions != 1 {
		t.Errorf("from the zone's own key: %s, %+v", v, v.Chain)
	}
	if v := w.by(near, "other.", dns.TypeA); v.Status != dnssec.Indeterminate || v.Reason.Code != dnssec.CodeNoAnchor {
		t.Errorf("outside of the anchor: %s", v)
	}
	v := w.validate("www.test.", dns.TypeA)
	if len(v.Chain) != 2 || v.Chain[0].Vouched != "anchor" || v.Chain[1].Vouched != "SHA256" ||
		v.Chain[1].Algorithm != "ECDSAP256SHA256" || !v.Until.Equal(w.now.Add(time.Hour)) {
		t.Errorf("the chain: %+v until %s", v.Chain, v.Until)
	}
}

// TestChildSignsItsDS holds that a zone cannot vouch for itself: DS records are its parent's.
func TestChildSignsItsDS(t *testing.T) {
	w := newWorld(t)
	forged := new(dns.Msg)
	forged.Answer = w.set("child.test.", "child.test. 300 IN DS 1 13 2 "+strings.Repeat("00", 32))
	v := w.validator(".").Validate(t.Context(), w.ask, dnssec.Question{Name: "child.test.", Type: dns.TypeDS}, forged, w.now)
	if v.Status != dnssec.Bogus || v.Reason.Code != dnssec.CodeSignatureMissing {
		t.Errorf("%s (%s)", v, v.Reason.Code)
	}
}
