package dnsrig

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Unbound runs an unbound that is a validating resolver for the files of the folder zones, and whose further
// zones play the faults. ede says whether it explains its failures.
func Unbound(t *testing.T, ede bool) netip.AddrPort {
	t.Helper()
	server := FreePort(t)
	UnboundAt(t, server, ede)
	return server
}

// UnboundAt is Unbound at a given address, for a network namespace of the test's own.
func UnboundAt(t *testing.T, server netip.AddrPort, ede bool) {
	t.Helper()
	dir := t.TempDir()
	conf := unboundConf(t, dir, server, ede)
	path := filepath.Join(dir, "unbound.conf")
	writeFile(t, path, conf)
	run(t, "unbound", "-d", "-c", path)
	awaitAnswer(t, server, "www.zone.test.", dns.TypeA, 1)
}

// Forwarder runs an unbound that asks another server in turn, as systemd-resolved's stub does, and validates nothing.
func Forwarder(t *testing.T, server, upstream netip.AddrPort) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "unbound.conf")
	writeFile(t, path, strings.NewReplacer("ADDRESS", server.Addr().String(), "PORT", fmt.Sprint(server.Port()), "DIR", dir,
		"UPSTREAM", fmt.Sprintf("%s@%d", upstream.Addr(), upstream.Port())).Replace(read(t, "forwarder.conf")))
	run(t, "unbound", "-d", "-c", path)
	Eventually(t, "the forwarder answers", func() bool {
		_, err := dns.Exchange(new(dns.Msg).SetQuestion("www.gone.test.", dns.TypeA), server.String())
		return err == nil
	})
}

func unboundConf(t *testing.T, dir string, server netip.AddrPort, ede bool) string {
	t.Helper()
	yes := map[bool]string{true: "yes", false: "no"}
	replace := strings.NewReplacer("ADDRESS", server.Addr().String(), "PORT", fmt.Sprint(server.Port()), "DIR", dir,
		"EDE", yes[ede])
	conf := replace.Replace(read(t, "unbound.conf"))
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
	upstream := Fake(t, func(q []byte) [][]byte {
		return [][]byte{Reply(q, func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure })}
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
	return read(t, "zone.test") + large("big.zone.test.")
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
