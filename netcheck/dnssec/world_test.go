package dnssec_test

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/netcheck/dnssec"
)

// world is a small DNS that exists in memory only, signed by itself, for what no honest server would say.
type world struct {
	t     testing.TB
	now   time.Time
	keys  map[string]worldKey
	said  map[string]*dns.Msg // what is answered, by name and type
	asked int
	strip bool // the way to the resolver loses signatures and denials
}

type worldKey struct {
	public  *dns.DNSKEY
	private crypto.Signer
}

// newWorld has a root, test. below it and child.test. below that, each with one key.
func newWorld(t testing.TB) *world {
	w := &world{t: t, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), keys: map[string]worldKey{},
		said: map[string]*dns.Msg{}}
	w.zone(".", "")
	w.zone("test.", ".")
	w.zone("child.test.", "test.")
	return w
}

func (w *world) zone(name, parent string) {
	public := &dns.DNSKEY{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 300},
		Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256}
	private, err := public.Generate(256)
	if err != nil {
		w.t.Fatal(err)
	}
	w.keys[name] = worldKey{public, private.(crypto.Signer)}
	w.says(name, dns.TypeDNSKEY, w.signed(name, public))
	if parent != "" {
		w.says(name, dns.TypeDS, w.signed(parent, public.ToDS(dns.SHA256)))
	}
}

func worldKeyOf(name string, kind uint16) string {
	return dns.CanonicalName(name) + dns.Type(kind).String()
}

// says has a question answered with these records.
func (w *world) says(name string, kind uint16, answer []dns.RR) {
	w.said[worldKeyOf(name, kind)] = &dns.Msg{MsgHdr: dns.MsgHdr{Response: true}, Answer: answer,
		Question: []dns.Question{{Name: name, Qtype: kind, Qclass: dns.ClassINET}}}
}

// denies has a question answered with these records in the authority section.
func (w *world) denies(name string, kind uint16, rcode int, authority ...[]dns.RR) {
	w.says(name, kind, nil)
	m := w.said[worldKeyOf(name, kind)]
	m.Rcode, m.Ns = rcode, slices.Concat(authority...)
}

// signed is the set with its signature by the zone, valid from an hour ago for two.
func (w *world) signed(zone string, set ...dns.RR) []dns.RR {
	return w.signedFor(zone, -time.Hour, time.Hour, set...)
}

func (w *world) signedFor(zone string, from, to time.Duration, set ...dns.RR) []dns.RR {
	key := w.keys[zone]
	sig := &dns.RRSIG{Hdr: dns.RR_Header{Ttl: 300}, Algorithm: key.public.Algorithm, KeyTag: key.public.KeyTag(),
		SignerName: zone, Inception: uint32(w.now.Add(from).Unix()), Expiration: uint32(w.now.Add(to).Unix())}
	if err := sig.Sign(key.private, set); err != nil {
		w.t.Fatal(err)
	}
	return append(slices.Clone(set), sig)
}

// records parses the lines of a zone file.
func (w *world) records(lines ...string) []dns.RR {
	var set []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			w.t.Fatal(err)
		}
		set = append(set, rr)
	}
	return set
}

// set is a signed set of the zone, from lines of a zone file.
func (w *world) set(zone string, lines ...string) []dns.RR {
	return w.signed(zone, w.records(lines...)...)
}

func (w *world) ask(_ context.Context, name string, kind uint16) (*dns.Msg, error) {
	w.asked++
	m := w.said[worldKeyOf(name, kind)]
	if m == nil {
		return nil, errors.New("nobody knows " + worldKeyOf(name, kind))
	}
	if w.strip {
		m = m.Copy()
		m.Answer, m.Ns = bare(m.Answer), bare(m.Ns)
	}
	return m, nil
}

func bare(section []dns.RR) []dns.RR {
	return slices.DeleteFunc(section, func(rr dns.RR) bool {
		return slices.Contains([]uint16{dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3}, rr.Header().Rrtype)
	})
}

// validator trusts the key of that zone.
func (w *world) validator(zone string) *dnssec.Validator {
	anchors, err := dnssec.ParseAnchors(strings.NewReader(w.keys[zone].public.String()), "the world's key")
	if err != nil {
		w.t.Fatal(err)
	}
	return dnssec.NewValidator(anchors)
}

// validate asks the question and judges the answer, with nothing known before.
func (w *world) validate(name string, kind uint16) dnssec.Verdict {
	return w.by(w.validator("."), name, kind)
}

func (w *world) by(v *dnssec.Validator, name string, kind uint16) dnssec.Verdict {
	answer, err := w.ask(w.t.Context(), name, kind)
	if err != nil {
		w.t.Fatal(err)
	}
	return v.Validate(w.t.Context(), w.ask, dnssec.Question{Name: name, Type: kind}, answer, w.now)
}

// sameTag is the key with two 16-bit words of it exchanged: another key of the same tag (RFC 4034 appendix B).
func sameTag(k *dns.DNSKEY, word int) *dns.DNSKEY {
	raw, _ := base64.StdEncoding.DecodeString(k.PublicKey)
	raw[0], raw[1], raw[2*word], raw[2*word+1] = raw[2*word], raw[2*word+1], raw[0], raw[1]
	other := *k
	other.PublicKey = base64.StdEncoding.EncodeToString(raw)
	return &other
}
