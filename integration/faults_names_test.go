package integration_test

import (
	"crypto"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"

	"sallyport/integration/lab"
)

// startNames starts a validating unbound whose zones play the faults. forged.test is signed, and then changed.
func (r *faultRig) startNames() {
	r.t.Helper()
	dir := r.newFolder("names")
	r.put(filepath.Join(dir, "zone.test"), `zone.test. 60 IN SOA ns.zone.test. h.zone.test. 1 60 60 600 60
zone.test. 60 IN NS ns.zone.test.
ns.zone.test. 60 IN A 127.0.0.1
www.zone.test. 60 IN A 192.0.2.1
dangling.zone.test. 60 IN CNAME nowhere.zone.test.
`)
	key, records := r.signedZone("forged.test.")
	r.put(filepath.Join(dir, "forged.test"), strings.ReplaceAll(records, "192.0.2.1", "192.0.2.66"))
	conf := filepath.Join(dir, "unbound.conf")
	r.put(conf, fmt.Sprintf(`server:
 interface: 0.0.0.0@%d
 access-control: 0.0.0.0/0 allow
 do-ip6: no
 do-daemonize: no
 num-threads: 1
 username: ""
 chroot: ""
 directory: %q
 pidfile: ""
 use-syslog: no
 logfile: ""
 module-config: "validator iterator"
 do-not-query-localhost: yes
 trust-anchor: %q
 local-zone: "test." nodefault
 local-zone: "gone.test." always_nxdomain
 local-zone: "empty.test." always_nodata
 local-zone: "refused.test." always_refuse
 local-zone: "dropped.test." always_deny
auth-zone:
 name: zone.test
 zonefile: zone.test
 for-downstream: no
 for-upstream: yes
auth-zone:
 name: forged.test
 zonefile: forged.test
 for-downstream: no
 for-upstream: yes
forward-zone:
 name: broken.test
 forward-addr: 127.0.0.1@9
remote-control:
 control-enable: no
`, faultyResolver, dir, key))
	r.program(r.Resolver, "unbound", "-d", "-c", conf)
	four := lab.Answer{Addresses: []netip.Addr{r.Cloud.IPv4}}
	if err := r.NameServer.Answer(within(r.t, 10*time.Second), "four.example", four); err != nil {
		r.t.Fatal(err)
	}
}

// signedZone is a small zone that is signed for an hour, and its key.
func (r *faultRig) signedZone(apex string) (key, records string) {
	r.t.Helper()
	dnskey := &dns.DNSKEY{Hdr: dns.RR_Header{Name: apex, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 60},
		Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256}
	private, err := dnskey.Generate(256)
	if err != nil {
		r.t.Fatal(err)
	}
	sets := []dns.RR{dnskey}
	for _, line := range []string{apex + " 60 IN SOA ns." + apex + " h." + apex + " 1 60 60 600 60",
		apex + " 60 IN NS ns." + apex, "ns." + apex + " 60 IN A 127.0.0.1", "www." + apex + " 60 IN A 192.0.2.1"} {
		rr, err := dns.NewRR(line)
		if err != nil {
			r.t.Fatal(err)
		}
		sets = append(sets, rr)
	}
	var b strings.Builder
	for _, rr := range sets {
		sig := &dns.RRSIG{Hdr: dns.RR_Header{Ttl: 60}, Algorithm: dnskey.Algorithm, KeyTag: dnskey.KeyTag(),
			SignerName: apex, Inception: uint32(time.Now().Add(-time.Hour).Unix()),
			Expiration: uint32(time.Now().Add(time.Hour).Unix())}
		if err := sig.Sign(private.(crypto.Signer), []dns.RR{rr}); err != nil {
			r.t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s\n%s\n", rr, sig)
	}
	return strings.Join(strings.Fields(dnskey.String()), " "), b.String()
}
