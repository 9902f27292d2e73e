package integration_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// verified is what a verification says in JSON.
type verified struct {
	Status  string
	Results []struct {
		Check, Status, Cause string
		Evidence             json.RawMessage
	}
}

// listener is one of the evidence about listeners.
type listener struct {
	Address, Process, Who string
	PID                   int
}

// listeners is the evidence about them.
func (v verified) listeners(t *testing.T) []listener {
	t.Helper()
	var evidence struct{ Listeners []listener }
	for _, r := range v.Results {
		if r.Check != "firewall.listeners" {
			continue
		}
		if err := json.Unmarshal(r.Evidence, &evidence); err != nil {
			t.Fatal(err)
		}
	}
	return evidence.Listeners
}

// one is the status and cause of a result, as "fail firewall.exposed".
func (v verified) one(name string) string {
	for _, r := range v.Results {
		if r.Check == name {
			return strings.TrimSpace(r.Status + " " + r.Cause)
		}
	}
	return "not there"
}

// verify runs the command with -o json and wants the exit code.
func (w world) verify(code int, args ...string) verified {
	w.t.Helper()
	var v verified
	got := w.must(code, "verify", append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(got.Stdout), &v); err != nil {
		w.t.Fatalf("%v: %s", err, got.Stdout)
	}
	return v
}

// TestVerifySaysWhoCanReachWhatListens has real listeners, with no ruleset, with one, and with one that someone changed.
func TestVerifySaysWhoCanReachWhatListens(t *testing.T) {
	w := newBox(t, lab.Settings{Allow: "[{name: web, ports: [8080/tcp], from: [any]}]"})
	w.services()
	open := w.verify(2)
	if got := open.one("firewall.listeners"); got != "fail firewall.exposed" {
		t.Errorf("without a ruleset: %s", got)
	}
	w.must(0, "apply", "--now")
	shut := w.verify(0)
	for name, want := range map[string]string{
		"firewall": "ok", "firewall.listeners": "ok", "firewall.interference": "ok", "firewall.published": "ok",
		"firewall.sysctls": "ok",
	} {
		if got := shut.one(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	want := map[string]string{
		"*:22":   "ssh-admins: " + w.Admin.IPv4.String() + ", " + w.Admin.IPv6.String(),
		"*:8080": "web: anyone", "*:161": "nobody",
	}
	for _, l := range shut.listeners(t) {
		if who, ok := want[l.Address]; ok && (who != l.Who || l.PID == 0 || l.Process == "") {
			t.Errorf("%+v, want %s and the process", l, who)
		}
		delete(want, l.Address)
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
	w.nft("add", "rule", "inet", "sallyport", "inbound", "accept")
	drifted := w.verify(2)
	if got := drifted.one("firewall.listeners"); got != "unknown firewall.drift" {
		t.Errorf("after a foreign rule: %s", got)
	}
}

// TestVerifyText holds what a person sees: the table above, the verdict below.
func TestVerifyText(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.services()
	w.must(0, "apply", "--now")
	got := w.must(0, "verify").Stdout
	t.Logf("\n%s", got)
	for _, want := range []string{
		"What listens here, and who can reach it:\nPROTO", "*:22", "ssh-admins: 10.77.", "*:161", "nobody",
		"ok       firewall.listeners",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

// TestVerifyWithoutRights holds that who may not read the ruleset still sees the listeners.
func TestVerifyWithoutRights(t *testing.T) {
	others(t)
	w := newBox(t, lab.Settings{})
	w.services()
	dir := w.folder("shut", nobody)
	file := w.file(dir, "sallyport.yaml", shut(dir, "192.0.2.1"))
	got := w.run(asNobody, "verify", "--config", file)
	for _, want := range []string{
		"firewall.not-permitted", "*:22", "ssh: 192.0.2.1", "which could not be read", "run as root",
	} {
		if got.Code != 3 || !strings.Contains(got.Stdout, want) {
			t.Errorf("exit code %d, and it does not say %q: %s%s", got.Code, want, got.Stdout, got.Stderr)
		}
	}
}

// TestVerifyWhereThereIsNoPolicy looks at a host whose firewall is off, and at one that is only observed.
func TestVerifyWhereThereIsNoPolicy(t *testing.T) {
	for mode, want := range map[string]string{"off": "skipped", "observe": "fail firewall.missing"} {
		t.Run(mode, func(t *testing.T) {
			w := newBox(t, lab.Settings{})
			w.services()
			conf := strings.Replace(w.Configuration(lab.Settings{}), "mode: enforce", `mode: "`+mode+`"`, 1)
			if err := w.Write(conf); err != nil {
				t.Fatal(err)
			}
			got := w.verify(2)
			if got.one("firewall") != want || got.one("firewall.listeners") != "fail firewall.exposed" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestVerifyOffOverATable holds that a table which is left from before is told of, though the configuration wants none.
func TestVerifyOffOverATable(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.services()
	w.must(0, "apply", "--now")
	conf := strings.Replace(w.Configuration(lab.Settings{}), "mode: enforce", `mode: "off"`, 1)
	if err := w.Write(conf); err != nil {
		t.Fatal(err)
	}
	got := w.verify(3)
	if got.one("firewall") != "warn firewall.drift" || got.one("firewall.listeners") != "unknown firewall.drift" {
		t.Errorf("%+v", got)
	}
	w.must(0, "remove")
	if got := w.verify(2); got.one("firewall") != "skipped" {
		t.Errorf("%+v", got)
	}
}

// TestVerifyIsWaived holds that a configuration can waive a result by its name.
func TestVerifyIsWaived(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.services()
	conf := strings.Replace(w.Configuration(lab.Settings{}), "mode: enforce", "mode: \"off\"", 1) +
		"waivers:\n  - {check: firewall.listeners, reason: another firewall, expires: 2099-01-01}\n"
	if err := w.Write(conf); err != nil {
		t.Fatal(err)
	}
	if got := w.verify(0).one("firewall.listeners"); got != "waived firewall.exposed" {
		t.Errorf("%s", got)
	}
}

// TestVerifyTwin tries a host with packets through a copy of its tables: shut, then with another's DNAT that lets a
// stranger in, then with nothing at all.
func TestVerifyTwin(t *testing.T) {
	w := newBox(t, lab.Settings{Allow: "[{name: web, ports: [443/tcp], from: [any]}]"})
	w.services()
	w.must(0, "apply", "--now")
	before := w.rules()
	if got := w.verify(0, "--twin"); got.one("firewall.twin") != "ok" {
		t.Errorf("%+v", got)
	}
	if after := w.rules(); before != after {
		t.Errorf("the host was touched:\n%s\nbefore:\n%s", after, before)
	}
	w.nft("add table ip nat; add chain ip nat pre { type nat hook prerouting priority -100; }; " +
		"add rule ip nat pre tcp dport 8080 redirect to :443")
	got := w.must(2, "verify", "--twin").Stdout
	t.Logf("\n%s", got)
	for _, want := range []string{
		"table ip nat, chain pre", "firewall.bypass", "tcp 8080 of " + w.Host.IPv4.String(),
		"it is because of the table ip nat", "there listens mptcp *:8080",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	w.nft("flush", "ruleset")
	if got := w.verify(2, "--twin"); got.one("firewall.twin") != "fail firewall.exposed" {
		t.Errorf("without a ruleset: %+v", got)
	}
}

// TestVerifyLive sends packets of a stranger to the host itself: shut, with a hole in the ruleset, and with none.
func TestVerifyLive(t *testing.T) {
	w := newBox(t, lab.Settings{Allow: "[{name: web, ports: [8080/tcp], from: [any]}]"})
	w.services()
	w.must(0, "apply", "--now")
	if got := w.verify(0, "--live"); got.one("firewall.live") != "ok" {
		t.Errorf("%+v", got)
	}
	w.nft("insert rule inet sallyport inbound udp dport 161 accept")
	got := w.must(2, "verify", "--live").Stdout
	t.Logf("\n%s", got)
	for _, want := range []string{"firewall.exposed", "a stranger gets through to udp *:161"} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	w.nft("flush", "ruleset")
	if got := w.verify(2, "--live"); got.one("firewall.live") != "fail firewall.exposed" {
		t.Errorf("without a ruleset: %+v", got)
	}
	if links := w.links(); strings.Contains(links, "sp-") {
		t.Errorf("an interface is left: %s", links)
	}
}

func (w world) links() string {
	w.t.Helper()
	got, err := w.Host.Run(within(w.t, 5*time.Second), "ip", "-o", "link")
	if err != nil || got.Code != 0 {
		w.t.Fatalf("ip: %v: %s", err, got.Stderr)
	}
	return got.Stdout
}
