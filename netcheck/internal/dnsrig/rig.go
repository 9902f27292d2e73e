package dnsrig

import (
	"embed"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/tlsprobe"
)

//go:embed zones
var zones embed.FS

// Rig is a small world of name servers: two authoritative ones, each by another house, and three validating resolvers
// before them. All are on 127.0.0.1.
type Rig struct {
	Bind     netip.AddrPort // authoritative for links.test, forged.test (without its signatures) and closed.test (refused)
	Knot     netip.AddrPort // authoritative for k.test, which it signs
	Unbound  netip.AddrPort // a validating resolver before both
	UnboundS netip.AddrPort // the same by TLS
	UnboundH netip.AddrPort // the same by HTTPS, under /dns-query
	Named    netip.AddrPort // a validating resolver by the house of Bind
	Kresd    netip.AddrPort // a validating resolver by the house of Knot
	Anchors  []string       // the DNSKEY records that they begin validation at

	Roots *tlsprobe.Roots // the authority of the servers by TLS and HTTPS
}

// Start sets the world up, in about a second; it ends with the test.
func Start(t *testing.T) Rig {
	t.Helper()
	r := Rig{
		Bind: FreePort(t), Knot: FreePort(t), Unbound: FreePort(t), UnboundS: FreePort(t), UnboundH: FreePort(t),
		Named: FreePort(t), Kresd: FreePort(t),
	}
	forgedKey := r.startAuthorities(t)
	keys := awaitAnswer(t, r.Knot, "k.test.", dns.TypeDNSKEY, 2)
	awaitAnswer(t, r.Bind, "www.links.test.", dns.TypeA, 1)
	r.Anchors = []string{forgedKey}
	for _, rr := range keys.Answer {
		if key, ok := rr.(*dns.DNSKEY); ok && key.Flags&dns.SEP != 0 {
			r.Anchors = append(r.Anchors, strings.Join(strings.Fields(key.String()), " "))
		}
	}
	r.startResolvers(t)
	for _, server := range []netip.AddrPort{r.Unbound, r.Named, r.Kresd} {
		awaitAnswer(t, server, "www.k.test.", dns.TypeA, 1)
	}
	return r
}

func (r *Rig) startAuthorities(t *testing.T) (forgedKey string) {
	t.Helper()
	dir := t.TempDir()
	links := read(t, "links.test") + chain(20)
	writeFile(t, filepath.Join(dir, "links.test"), links+large("big.links.test."))
	writeFile(t, filepath.Join(dir, "closed.test"), strings.Split(strings.ReplaceAll(links, "links.test", "closed.test"),
		"alias")[0])
	key, signed := signZone(t, "forged.test", [2]time.Duration{-time.Hour, time.Hour})
	writeFile(t, filepath.Join(dir, "forged.test"), strings.ReplaceAll(signed, "192.0.2.1", "192.0.2.66")) // and no NSEC
	named := r.configure(t, "named.conf", dir, r.Bind)
	run(t, "named", "-f", "-n", "1", "-c", named)

	dir = t.TempDir()
	writeFile(t, filepath.Join(dir, "k.test"), read(t, "k.test"))
	run(t, "knotd", "-c", r.configure(t, "knot.conf", dir, r.Knot))
	return key
}

func (r *Rig) startResolvers(t *testing.T) {
	t.Helper()
	var certFile, keyFile string
	certFile, keyFile, r.Roots = paper(t)
	var anchors strings.Builder
	for _, key := range r.Anchors {
		fmt.Fprintf(&anchors, " trust-anchor: %q\n", key)
	}
	conf := r.configure(t, "validator.conf", t.TempDir(), r.Unbound, "ANCHORS\n", anchors.String(), "CERTFILE", certFile,
		"KEYFILE", keyFile)
	run(t, "unbound", "-d", "-c", conf)

	anchors.Reset()
	for _, key := range r.Anchors {
		parts := strings.Fields(key) // name TTL class type flags protocol algorithm key
		fmt.Fprintf(&anchors, "\t%s static-key %s %s %s %q;\n", parts[0], parts[4], parts[5], parts[6],
			strings.Join(parts[7:], ""))
	}
	conf = r.configure(t, "resolver.conf", t.TempDir(), r.Named, "ANCHORS\n", anchors.String())
	run(t, "named", "-f", "-n", "1", "-c", conf)

	anchors.Reset()
	for _, key := range r.Anchors {
		fmt.Fprintf(&anchors, "trust_anchors.add('%s')\n", key)
	}
	dir := t.TempDir()
	conf = r.configure(t, "kresd.conf", dir, r.Kresd, "ANCHORS\n", anchors.String())
	run(t, "kresd", "-n", "-q", "-c", conf, dir)
}

// configure writes a server's configuration into its folder, and returns where.
func (r *Rig) configure(t *testing.T, name, dir string, at netip.AddrPort, more ...string) string {
	t.Helper()
	port := func(a netip.AddrPort) string { return fmt.Sprint(a.Port()) }
	words := append(slices.Clone(more), "HTTPSPORT", port(r.UnboundH), "TLSPORT", port(r.UnboundS), "PORT", port(at),
		"DIR", dir, "BIND", port(r.Bind), "KNOT", port(r.Knot))
	path := filepath.Join(dir, name)
	writeFile(t, path, strings.NewReplacer(words...).Replace(read(t, name)))
	return path
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := zones.ReadFile("zones/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// chain is a way of n aliases, one after another: c1 leads to c2, and so on to www.
func chain(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "c%d CNAME c%d\n", n-i, n-i-1)
	}
	return b.String() + "c0 A 192.0.2.1\n"
}

// large is a name with more text than a packet holds.
func large(name string) string {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, "%s 60 IN TXT \"%03d%s\"\n", name, i, strings.Repeat("x", 60))
	}
	return b.String()
}
