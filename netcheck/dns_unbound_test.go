package netcheck

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// needProgram skips the test when a program is not installed, or fails it when the full test run is asked for.
func needProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		cannot(t, fmt.Sprintf("%s is not installed", name))
	}
	return path
}

// cannot skips the test for want of something, or fails it when the full test run is asked for.
func cannot(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
		t.Fatal(why + ": mend that, or run the tests without SALLYPORT_TEST_FULL=1")
	}
	t.Skip(why)
}

// needRoot is cannot for an error of a call that only root may make.
func needRoot(t *testing.T, err error) {
	t.Helper()
	cannot(t, "not permitted: "+err.Error())
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
		<-tick.C
	}
}

// given are the ports that freePort has given: each is given once.
var given sync.Map

// freePort is a port of 127.0.0.1 that nobody has for UDP nor TCP at this moment. It is below those that the kernel gives
// by itself (ip_local_port_range), so that no connection takes it before the server does that it is meant for.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 20_000 + rand.IntN(6_000)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		l, err := net.Listen("tcp", local(port).String())
		if err != nil {
			continue
		}
		u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local(port)))
		_ = l.Close()
		if err == nil {
			_ = u.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func local(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
}

// startUnbound runs an unbound that is a validating resolver for the zones of testdata/dns, and whose further zones
// play the faults. ede says whether it explains its failures.
func startUnbound(t *testing.T, ede bool) netip.AddrPort {
	t.Helper()
	program := needProgram(t, "unbound")
	dir := t.TempDir()
	server := local(freePort(t))
	conf := unboundConf(t, dir, server.Port(), ede)
	path := filepath.Join(dir, "unbound.conf")
	writeFile(t, path, conf)
	ctx, cancel := context.WithCancel(context.Background())
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "-d", "-c", path)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("unbound said:\n%s", out.String())
		}
	})
	eventually(t, "unbound answers", func() bool {
		m := new(dns.Msg).SetQuestion("www.zone.test.", dns.TypeA)
		_, err := dns.Exchange(m, server.String())
		return err == nil
	})
	return server
}

func unboundConf(t *testing.T, dir string, port uint16, ede bool) string {
	t.Helper()
	yes := map[bool]string{true: "yes", false: "no"}
	replace := strings.NewReplacer("PORT", fmt.Sprint(port), "DIR", dir, "EDE", yes[ede])
	conf := replace.Replace(readFile(t, "testdata/dns/unbound.conf"))
	writeFile(t, filepath.Join(dir, "zone.test"), plainZone(t))
	zones := authZone("zone.test")
	for name, window := range map[string][2]time.Duration{
		"signed.test":  {-time.Hour, time.Hour},
		"expired.test": {-96 * time.Hour, -48 * time.Hour},
		"future.test":  {48 * time.Hour, 96 * time.Hour},
		"forged.test":  {-time.Hour, time.Hour},
	} {
		key, records := signZone(t, name, window)
		if name == "forged.test" {
			records = strings.ReplaceAll(records, "192.0.2.1", "192.0.2.66")
		}
		writeFile(t, filepath.Join(dir, name), records)
		conf += fmt.Sprintf(" trust-anchor: \"%s\"\n", key)
		zones += authZone(name)
	}
	upstream := startDNSFake(t, func(q []byte) [][]byte {
		return [][]byte{reply(q, func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure })}
	})
	broken := fmt.Sprintf("forward-zone:\n name: broken.test\n forward-addr: 127.0.0.1@%d\n", upstream.Port())
	return conf + zones + broken
}

// authZone lets unbound resolve a zone from the file of its name, as if it had asked the zone's servers.
func authZone(name string) string {
	return fmt.Sprintf("auth-zone:\n name: %[1]s\n zonefile: %[1]s\n for-downstream: no\n for-upstream: yes\n", name)
}

// plainZone has a name for each thing that a healthy server can answer.
func plainZone(t *testing.T) string {
	t.Helper()
	zone := readFile(t, "testdata/dns/zone.test")
	for i := range 60 {
		zone += fmt.Sprintf("big.zone.test. 60 IN TXT \"%03d%s\"\n", i, strings.Repeat("x", 60))
	}
	return zone
}

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

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withTimeout is the test's context with a deadline.
func withTimeout(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
