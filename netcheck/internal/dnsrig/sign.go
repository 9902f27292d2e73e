package dnsrig

import (
	"crypto"
	"crypto/ecdsa"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// signZone is a small zone signed for the time from window[0] to window[1], counted from now, and its key.
func signZone(t *testing.T, name string, window [2]time.Duration) (key, records string) {
	t.Helper()
	apex := dns.Fqdn(name)
	dnskey := &dns.DNSKEY{Hdr: dns.RR_Header{Name: apex, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 60},
		Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256}
	private, err := dnskey.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	sets := [][]dns.RR{{dnskey},
		{parseRR(t, apex+" 60 IN SOA ns."+apex+" h."+apex+" 1 60 60 600 60")},
		{parseRR(t, apex+" 60 IN NS ns."+apex)},
		{parseRR(t, "ns."+apex+" 60 IN A 127.0.0.1")},
		{parseRR(t, "www."+apex+" 60 IN A 192.0.2.1")}}
	var b strings.Builder
	for _, set := range sets {
		sig := &dns.RRSIG{Hdr: dns.RR_Header{Ttl: 60}, Algorithm: dnskey.Algorithm, KeyTag: dnskey.KeyTag(),
			SignerName: apex, Inception: uint32(time.Now().Add(window[0]).Unix()),
			Expiration: uint32(time.Now().Add(window[1]).Unix())}
		if err := sig.Sign(crypto.Signer(private.(*ecdsa.PrivateKey)), set); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n%s\n", set[0], sig)
	}
	return strings.Join(strings.Fields(dnskey.String()), " "), b.String()
}

func parseRR(t *testing.T, s string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(s)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}
