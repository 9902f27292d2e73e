package dnssec_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"sallyport/netcheck/internal/dnsrig"
)

// Where the servers of the tree listen: each on port 53 of an address of its own, as in the world.
const (
	treeNamed    = "127.0.0.2"  // named, authoritative for the root and most zones
	treeKnot     = "127.0.0.3"  // knotd, authoritative for what it signs itself
	treeUnbound  = "127.0.0.53" // unbound, a validating resolver
	treeResolver = "127.0.0.54" // named, a validating resolver
	treeTrusting = "127.0.0.55" // named, a resolver that does not validate
	treeLosing   = "127.0.0.56" // the same, but it asks without EDNS0, so that no signature reaches it
)

// tree is a DNS of its own in a network namespace: a root zone, signed zones with each fault below it, and resolvers that
// start from that root.
type tree struct {
	t      *testing.T
	dir    string
	anchor string            // the root's DS records
	served map[string]string // the files that named serves
}

// treeZone is one zone of the tree.
type treeZone struct {
	name      string // with the final dot
	algorithm string // for dnssec-keygen; empty: unsigned
	ldns      bool   // signed by ldns-signzone instead of dnssec-signzone
	sign      []string
	mend      func(string) string // what happens to the signed file
	ds        func(string) string // what happens to its DS records
	parent    string
}

// usualRecords is what a zone has for each kind of answer.
const usualRecords = `
www A 192.0.2.1
alias CNAME www
out CNAME www.ec.
far CNAME out.rsa.
lost CNAME nowhere.ec.
*.wild A 192.0.2.7
below.ent A 192.0.2.8
moved DNAME ec.
txt TXT "one" "two"
txt TXT "a longer text than the first"
`

func wholeZone(name, records string) string {
	return fmt.Sprintf("$ORIGIN %s\n$TTL 300\n@ SOA ns1. h. 1 3600 600 86400 300\n@ NS ns1.\n%s", name, records)
}

func without(pattern string) func(string) string {
	re := regexp.MustCompile(`(?m)^` + pattern + `.*\n`)
	return func(zone string) string { return re.ReplaceAllString(zone, "") }
}

func at(d time.Duration) string { return time.Now().Add(d).UTC().Format("20060102150405") }

func treeZones() []treeZone {
	forged := func(zone string) string { return strings.ReplaceAll(zone, "192.0.2.1\n", "192.0.2.66\n") }
	otherDS := func(ds string) string {
		return regexp.MustCompile(`[0-9A-Fa-f]{16}$`).ReplaceAllString(ds, "0123456789ABCDEF")
	}
	ec := "ECDSAP256SHA256"
	return []treeZone{
		{name: "ec.", algorithm: ec},
		{name: "rsa.", algorithm: "RSASHA512", sign: []string{"-3", "-"}},
		{name: "old.", algorithm: "NSEC3RSASHA1", sign: []string{"-3", "c0ffee", "-H", "5"}},
		{name: "many.", algorithm: ec, ldns: true, sign: []string{"-n", "-t", "200"}},
		{name: "ldns.", algorithm: "ECDSAP384SHA384", ldns: true},
		{name: "sub.opt.", algorithm: ec, parent: "opt."},
		{name: "plain.opt.", parent: "opt."},
		{name: "opt.", algorithm: "ECDSAP384SHA384", sign: []string{"-3", "-", "-A"}},
		{name: "plain."},
		{name: "expired.", algorithm: ec, sign: []string{"-s", at(-96 * time.Hour), "-e", at(-72 * time.Hour)}},
		{name: "future.", algorithm: ec, sign: []string{"-s", at(72 * time.Hour), "-e", at(96 * time.Hour)}},
		{name: "forged.", algorithm: ec, mend: forged},
		{name: "nosig.", algorithm: ec, mend: without(`www\.nosig\.\s.*\sRRSIG\s+A\s`)},
		{name: "noproof.", algorithm: ec, mend: without(`moved\.noproof\.\s.*\s(NSEC|RRSIG\s+NSEC)\s`)},
		{name: "badds.", algorithm: ec, ds: otherDS},
		{name: "ed448.", algorithm: "ED448"},
	}
}

// newTree makes a tree in a namespace of the calling thread, and starts its servers.
func newTree(t *testing.T) *tree {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and the namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		dnsrig.Cannot(t, "no network namespace: "+err.Error())
	}
	for _, program := range []string{"ip", "named", "knotd", "unbound", "dnssec-keygen", "dnssec-signzone",
		"ldns-signzone"} {
		dnsrig.NeedProgram(t, program)
	}
	w := &tree{t: t, dir: t.TempDir(), served: map[string]string{}}
	w.run("ip", "link", "set", "lo", "up")
	// named listens on addresses of interfaces only.
	for _, address := range []string{treeNamed, treeResolver, treeTrusting, treeLosing} {
		w.run("ip", "address", "add", address+"/32", "dev", "lo")
	}
	delegations := map[string]string{".": "ns1 A 127.0.0.2\nns2 A 127.0.0.3\ned. NS ns2.\n" + w.startKnot()}
	for _, z := range treeZones() {
		parent := z.parent
		if parent == "" {
			parent = "."
		}
		delegations[parent] += z.name + " NS ns1.\n" + w.addZone(z, delegations[z.name])
	}
	w.anchor = w.addZone(treeZone{name: ".", algorithm: "RSASHA256"}, delegations["."])
	w.startNamed()
	w.startResolvers()
	return w
}

func (w *tree) run(program string, args ...string) string {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), program, args...)
	cmd.Dir = w.dir
	var said bytes.Buffer
	cmd.Stderr = &said // apart, for the key generator warns of old algorithms
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out, said.String())
	}
	return string(out)
}

func (w *tree) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *tree) read(name string) string {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(content)
}

// addZone signs a zone, and is its DS records.
func (w *tree) addZone(z treeZone, delegations string) string {
	w.t.Helper()
	records := usualRecords + delegations
	if z.name == "." {
		records = delegations
	}
	file := "zone-" + strings.TrimSuffix(z.name, ".")
	w.write(file, wholeZone(z.name, records))
	w.served[z.name] = file
	if z.algorithm == "" {
		return ""
	}
	keygen := []string{"-q", "-a", z.algorithm, "-f", "KSK"}
	if strings.Contains(z.algorithm, "RSA") {
		keygen = append(keygen, "-b", "1024")
	}
	keyFile := strings.TrimSpace(w.run("dnssec-keygen", append(keygen, z.name)...))
	if z.ldns {
		w.run("ldns-signzone", append(slices.Clone(z.sign), "-f", file, file, keyFile)...)
	} else {
		sign := append([]string{"-q", "-S", "-z", "-P", "-O", "full", "-o", z.name, "-f", file}, z.sign...)
		w.run("dnssec-signzone", append(sign, file)...)
	}
	if z.mend != nil {
		w.write(file, z.mend(w.read(file)))
	}
	key, err := dns.ReadRR(strings.NewReader(w.read(keyFile+".key")), keyFile)
	if err != nil {
		w.t.Fatal(err)
	}
	ds := key.(*dns.DNSKEY).ToDS(dns.SHA256).String()
	if z.ds != nil {
		ds = z.ds(ds)
	}
	return ds + "\n"
}

// serve starts a server and waits until it answers.
func (w *tree) serve(address, question, program string, args ...string) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.dir, &out, &out
	if err := cmd.Start(); err != nil {
		cancel()
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if w.t.Failed() {
			w.t.Logf("%s said:\n%.8000s", program, out.String())
		}
	})
	server := netip.AddrPortFrom(netip.MustParseAddr(address), 53).String()
	dnsrig.Eventually(w.t, program+" answers", func() bool {
		m, err := dns.Exchange(new(dns.Msg).SetQuestion(question, dns.TypeSOA), server)
		return err == nil && m.Rcode == dns.RcodeSuccess
	})
}

// startKnot starts knotd, which makes keys and signs by itself, and is the DS records of its zone.
func (w *tree) startKnot() string {
	w.t.Helper()
	w.write("ed.zone", wholeZone("ed.", usualRecords))
	w.write("knot.conf", fmt.Sprintf(`server:
  rundir: %[1]s
  listen: %[2]s@53
database:
  storage: %[1]s
policy:
  - id: ed
    algorithm: ed25519
    nsec3: on
zone:
  - domain: ed.
    storage: %[1]s
    file: ed.zone
    dnssec-signing: on
    dnssec-policy: ed
`, w.dir, treeKnot))
	w.serve(treeKnot, "ed.", "knotd", "-c", filepath.Join(w.dir, "knot.conf"))
	m, err := dns.Exchange(new(dns.Msg).SetQuestion("ed.", dns.TypeDNSKEY), treeKnot+":53")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, rr := range m.Answer {
		if k, ok := rr.(*dns.DNSKEY); ok && k.Flags&dns.SEP != 0 {
			return k.ToDS(dns.SHA384).String() + "\n"
		}
	}
	w.t.Fatal("knot has made no key")
	return ""
}

func (w *tree) startNamed() {
	w.t.Helper()
	conf := fmt.Sprintf(`options { directory %q; listen-on { %s; }; listen-on-v6 { none; }; recursion no;
  pid-file "named.pid"; session-keyfile none; dnssec-validation no; };
controls {};
`, w.dir, treeNamed)
	for name, file := range w.served {
		conf += fmt.Sprintf("zone %q { type primary; file %q; check-names ignore; };\n", name, file)
	}
	w.write("named.conf", conf)
	w.serve(treeNamed, "ec.", "named", "-4", "-g", "-n", "1", "-c", filepath.Join(w.dir, "named.conf"))
}

func (w *tree) startResolvers() {
	w.t.Helper()
	w.write("hints", ". 3600 NS ns1.\nns1. 3600 A "+treeNamed+"\n")
	w.write("anchor", w.anchor)
	w.write("unbound.conf", fmt.Sprintf(`server:
 interface: %[1]s
 outgoing-interface: 127.0.0.1
 username: ""
 chroot: ""
 directory: %[2]q
 pidfile: "unbound.pid"
 use-syslog: no
 do-not-query-localhost: no
 do-ip6: no
 root-hints: "hints"
 trust-anchor-file: "anchor"
 module-config: "validator iterator"
 ede: yes
 val-log-level: 2
 num-threads: 1
`, treeUnbound, w.dir))
	w.serve(treeUnbound, "ec.", "unbound", "-d", "-c", filepath.Join(w.dir, "unbound.conf"))
	var anchors strings.Builder
	for line := range strings.Lines(w.anchor) {
		rr, err := dns.NewRR(line)
		if ds, ok := rr.(*dns.DS); err == nil && ok {
			fmt.Fprintf(&anchors, "  . static-ds %d %d %d %q;\n", ds.KeyTag, ds.Algorithm, ds.DigestType, ds.Digest)
		}
	}
	w.startNamedResolver(treeResolver, "resolver", "dnssec-validation yes;",
		"trust-anchors {\n"+anchors.String()+"};\n")
	w.startNamedResolver(treeTrusting, "trusting", "dnssec-validation no;", "")
	w.startNamedResolver(treeLosing, "losing", "dnssec-validation no;", "server 0.0.0.0/0 { edns no; };\n")
}

// startNamedResolver starts a named that resolves from the tree's root.
func (w *tree) startNamedResolver(address, name, options, more string) {
	w.t.Helper()
	w.write(name+".conf", fmt.Sprintf(`options { directory %q; listen-on { %s; }; listen-on-v6 { none; };
  recursion yes; allow-query { any; }; allow-recursion { any; }; empty-zones-enable no;
  pid-file "%s.pid"; session-keyfile none; query-source address 127.0.0.1; %s };
controls {};
%szone "." { type hint; file "hints"; };
`, w.dir, address, name, options, more))
	w.serve(address, "ec.", "named", "-4", "-g", "-n", "1", "-c", filepath.Join(w.dir, name+".conf"))
}
