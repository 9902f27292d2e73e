package others_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/firewall"
	"sallyport/firewall/internal/kerneltest"
	"sallyport/firewall/kernel"
	"sallyport/firewall/kernel/census"
	"sallyport/firewall/proof/others"
)

var update = flag.Bool("update", false, "write the golden files anew")

// newNamespace puts the test into a network namespace of its own, with a veth pair v0 and v1 of which v0 has addresses.
func newNamespace(t *testing.T) {
	t.Helper()
	kerneltest.NewNamespace(t)
	for _, line := range []string{
		"ip link set lo up", "ip link add v0 type veth peer name v1", "ip link set v0 up",
		"ip addr add 192.0.2.1/24 dev v0", "ip addr add 2001:db8::1/64 dev v0 nodad",
	} {
		run(t, "", line)
	}
}

// unprepared skips the test, or fails it where nothing may be left out.
func unprepared(t testing.TB, format string, args ...any) {
	t.Helper()
	kerneltest.Unprepared(t, format, args...)
}

// run runs a program in the namespace of the test's thread.
func run(t testing.TB, stdin, line string) string {
	t.Helper()
	fields := strings.Fields(line)
	if _, err := exec.LookPath(fields[0]); err != nil {
		unprepared(t, "%v", err)
	}
	cmd := exec.CommandContext(t.Context(), fields[0], fields[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// hostPolicy is an ordinary one: administrators, and a web server for all.
func hostPolicy() firewall.Policy {
	return firewall.Policy{
		Management: []firewall.Exception{{
			Name: "ssh-admins", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 22, Last: 22}},
			From: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/24"), netip.MustParsePrefix("2001:db8:20::/64")},
		}},
	}
}

func takeCensus(t testing.TB) census.Census {
	t.Helper()
	c, err := kernel.TakeCensus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// told is what a census of the namespace means, in lines.
func told(t testing.TB, p firewall.Policy) string {
	t.Helper()
	c := takeCensus(t)
	var b strings.Builder
	for _, f := range others.Interference(c, p) {
		fmt.Fprintf(&b, "%s %s\n\ttable %s, chain %s, rule %d: %s\n\t%s\n", f.Grade, f.Cause, f.Table, f.Chain, f.Handle,
			f.Rule, f.Detail)
		if f.Remedy != "" {
			fmt.Fprintf(&b, "\t%s\n", f.Remedy)
		}
	}
	for _, one := range others.PublishedPorts(c) {
		fmt.Fprintf(&b, "published %s, rule %d\n", one, one.Handle)
	}
	for _, g := range c.Gaps {
		fmt.Fprintf(&b, "gap %s\n", g)
	}
	return b.String()
}

// untouched is all that others have in the namespace, in their own tools' words.
func untouched(t testing.TB) string {
	t.Helper()
	all := run(t, "", "nft -a list ruleset")
	for _, name := range []string{"ip_tables_names", "ip6_tables_names"} {
		b, err := os.ReadFile("/proc/thread-self/net/" + name)
		if err != nil {
			continue
		}
		for table := range strings.FieldsSeq(string(b)) {
			tool := map[string]string{"ip_tables_names": "iptables-legacy", "ip6_tables_names": "ip6tables-legacy"}[name]
			all += name + " " + table + "\n" + run(t, "", tool+" -S -t "+table)
		}
	}
	return all
}

// TestHosts holds what is told of hosts as others set them up, and that telling changes nothing.
func TestHosts(t *testing.T) {
	for _, test := range []struct{ file, loader string }{
		{"docker.iptables", "iptables-nft-restore"},
		{"docker.iptables", "iptables-legacy-restore"},
		{"ufw.iptables", "iptables-nft-restore"},
		{"ufw.iptables", "iptables-legacy-restore"},
		{"kube-proxy.iptables", "iptables-nft-restore"},
		{"kube-proxy.iptables", "iptables-legacy-restore"},
		{"kube-proxy.nft", "nft -f -"},
		{"fail2ban.nft", "nft -f -"},
		{"fail2ban-admin.nft", "nft -f -"},
		{"firewalld.nft", "nft -f -"},
		{"firewalld-no-ssh.nft", "nft -f -"},
		{"libvirt.nft", "nft -f -"},
	} {
		name := strings.TrimSuffix(test.file, filepath.Ext(test.file))
		if strings.Contains(test.loader, "iptables") {
			name += "." + strings.Split(test.loader, "-")[1]
		}
		t.Run(name, func(t *testing.T) {
			newNamespace(t)
			script, err := os.ReadFile(filepath.Join("testdata", test.file))
			if err != nil {
				t.Fatal(err)
			}
			run(t, string(script), test.loader)
			before := untouched(t)
			got := told(t, hostPolicy())
			if after := untouched(t); after != before {
				t.Errorf("it was changed by looking:\n%s\nbefore:\n%s", after, before)
			}
			golden(t, filepath.Join("testdata", name+".told"), got)
		})
	}
}

func golden(t testing.TB, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("told:\n%s\nwant:\n%s", got, want)
	}
}
