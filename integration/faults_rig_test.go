package integration_test

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// faultRig is a lab with a server, a filter or a route for each fault that the checks can meet.
type faultRig struct {
	world
	words    map[string]string // what stands for ${word} in the rows of faultRows
	programs []*lab.Process
}

// The fixed ports of the rig. Those of the cloud's servers are told by cloudPort.
const (
	faultyResolver  = 5301 // of the resolver
	garbledResolver = 5302 // the same, with answers garbled on the way
	faultySlapd     = 6636 // of the directory
	plainSlapd      = 6389
)

// cloudServers are the servers of the cloud, each on a port of its own. Nobody listens behind closed.
func cloudServers() []string {
	names := []string{"closed", "dropped", "plain", "silence", "reset", "eof", "internal", "tls11", "tls13", "cipher",
		"client", "babble", "proxy", "skewed"}
	for _, s := range nginxFaults() {
		names = append(names, s.name)
	}
	return names
}

func cloudPort(name string) uint16 {
	i := slices.Index(cloudServers(), name)
	if i < 0 {
		panic("no server " + name)
	}
	return uint16(7000 + i)
}

// newFaultRig builds it.
func newFaultRig(t *testing.T) *faultRig {
	t.Helper()
	w := newWorld(t, lab.Settings{})
	need(t, "openssl", "tinyproxy", "nft", "ip", "keytool", "faketime")
	r := &faultRig{world: w, words: map[string]string{
		"cloud": w.Cloud.IPv4.String(), "resolver": w.Resolver.IPv4.String(), "directory": w.Directory.IPv4.String(),
		"stranger": w.Stranger.IPv4.String(),
		"password": w.secret("pw", "pw"), "wrong": w.secret("wrong", "not it"), "proxypassword": w.secret("proxy", "secret"),
	}}
	for _, name := range cloudServers() {
		r.words[name] = fmt.Sprint(cloudPort(name))
	}
	for _, start := range []func(){r.startNames, r.startWeb, r.startProxy, r.startDirectory, r.startFilters, r.startJava} {
		start()
	}
	r.awaitServers()
	return r
}

// secret writes a secret into the lab's folder, and is its path.
func (w world) secret(name, secret string) string {
	w.t.Helper()
	path := filepath.Join(w.Dir, "secret-"+name)
	w.put(path, secret)
	return path
}

// put writes a file that servers of the lab read.
func (w world) put(path, content string) {
	w.t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// newFolder is a new folder of the lab's.
func (w world) newFolder(name string) string {
	w.t.Helper()
	path := filepath.Join(w.Dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// program starts a program on a node; the lab ends it.
func (r *faultRig) program(n *lab.Node, name string, args ...string) {
	r.t.Helper()
	p, err := n.Start(name, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.programs = append(r.programs, p)
}

// command runs a program on a node, which must go well.
func (w world) command(n *lab.Node, line string, args ...string) {
	w.t.Helper()
	words := append(strings.Fields(line), args...)
	got, err := n.Run(within(w.t, 10*time.Second), words[0], words[1:]...)
	if err != nil || got.Code != 0 {
		w.t.Fatalf("%v on %s: %v: %s", words, n.Name, err, got.Stderr)
	}
}

// pair issues a certificate with a flaw, and is the files of its chain and its key.
func (w world) pair(name, host string, flaw lab.Flaw) (chain, key string) {
	w.t.Helper()
	issued, err := w.Authority.Issue(host, flaw)
	if err != nil {
		w.t.Fatal(err)
	}
	chain, key = filepath.Join(w.Dir, name+".pem"), filepath.Join(w.Dir, name+"-key.pem")
	w.put(chain, string(issued.Chain))
	w.put(key, string(issued.Key))
	return chain, key
}

// awaitServers waits until each server takes connections. Those that a filter is before, or that nobody is to be behind,
// are left out.
func (r *faultRig) awaitServers() {
	r.t.Helper()
	ctx := within(r.t, 10*time.Second)
	at := map[string]*lab.Node{}
	for _, name := range cloudServers() {
		if name != "closed" && name != "dropped" {
			at[netip.AddrPortFrom(r.Cloud.IPv4, cloudPort(name)).String()] = r.Cloud
		}
	}
	for _, port := range []uint16{faultySlapd, plainSlapd} {
		at[netip.AddrPortFrom(r.Directory.IPv4, port).String()] = r.Directory
	}
	at[netip.AddrPortFrom(r.Resolver.IPv4, faultyResolver).String()] = r.Resolver
	for _, address := range slices.Sorted(maps.Keys(at)) {
		if err := lab.Until(ctx, address, func() error { return answers(ctx, at[address], address) }); err != nil {
			for _, p := range r.programs {
				r.t.Log(p.Output())
			}
			r.t.Fatal(err)
		}
	}
}

func answers(ctx context.Context, n *lab.Node, address string) error {
	conn, err := n.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// configuration is one check for each row, which runs once. Its deadline is far: on a busy machine the slow digests of some
// thirty passwords take their time.
func (r *faultRig) configuration(rows []faultRow) string {
	var b strings.Builder
	dir := filepath.Join(r.Dir, "sallyport")
	fmt.Fprintf(&b, "paths: {state: %[1]s/state, runtime: %[1]s/run}\nfirewall: {mode: off}\n", dir)
	b.WriteString("checks:\n  defaults: {timeout: 40s, interval: 1h, expiry_warn: 21d, expiry_fail: 7d}\n")
	for _, kind := range []string{"dns", "tls", "ldaps"} {
		fmt.Fprintf(&b, "  %s:\n", kind)
		for _, row := range rows {
			if row.kind == kind {
				fmt.Fprintf(&b, "    - {name: %s, %s}\n", row.name, r.expand(row.keys))
			}
		}
	}
	fmt.Fprintf(&b, "trust: {roots: [%s], java: %s}\n", r.RootsFile(), r.words["java"])
	return b.String()
}

// expand puts the rig's words into a row. A word that the rig does not have shows in the configuration, which is refused.
func (r *faultRig) expand(keys string) string {
	return os.Expand(keys, func(word string) string {
		if meant, ok := r.words[word]; ok {
			return meant
		}
		return "?" + word + "?"
	})
}
