package integration_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// rules is the host's ruleset without what packets leave in it: counters, and who was logged lately.
func (w world) rules() string {
	w.t.Helper()
	passing := regexp.MustCompile(`packets \d+ bytes \d+|\s*elements = \{[^}]* (limit rate|counter)[^}]*\}`)
	return passing.ReplaceAllString(w.nft("--stateless", "list", "ruleset"), "")
}

// TestRepair spoils the table with nft and wants it back.
func TestRepair(t *testing.T) {
	for name, spoil := range map[string]string{
		"flush":  "flush table inet sallyport",
		"delete": "delete table inet sallyport",
		"reset":  "flush ruleset",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, lab.Settings{})
			w.services()
			w.daemon()
			before := w.rules()
			w.nft(spoil)
			w.await(lab.Has("firewall", "warn", "firewall.repaired"))
			if after := w.rules(); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
			if got, want := w.knocks(), both("admin tcp22"); !slices.Equal(got, want) {
				t.Errorf("after the repair these get in: %v, want %v", got, want)
			}
			w.await(lab.AllOK)
		})
	}
}

// TestOthersTablesStay holds that Sallyport owns its table and touches no other.
func TestOthersTablesStay(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	w.nft("add table ip others; add chain ip others in; add rule ip others in counter accept; add table inet sallyport2")
	before := w.nft("list", "table", "ip", "others")
	w.must(2, "plan")
	w.must(0, "apply", "--now")
	w.must(0, "plan")
	w.must(0, "verify")
	w.must(0, "apply", "--now")
	if after := w.nft("list", "table", "ip", "others"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	w.nft("list", "table", "inet", "sallyport2")
}

// TestOthersDrop has another table drop management beside the guard, which says so with table, chain and rule, touches
// nothing of it, and is content again when it is gone.
func TestOthersDrop(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	w.services()
	w.daemon()
	w.nft("add table ip others; add chain ip others in { type filter hook input priority 0; }; " +
		"add rule ip others in tcp dport 22 counter drop")
	before := w.nft("--stateless", "list", "table", "ip", "others")
	w.await(lab.Has("firewall", "fail", "firewall.foreign-drop"))
	out := w.must(2, "status").Stdout
	if want := "table ip others, chain in, rule handle 2: `tcp dport 22 counter drop`"; !strings.Contains(out, want) {
		t.Errorf("status says:\n%s\nnot %s", out, want)
	}
	if after := w.nft("--stateless", "list", "table", "ip", "others"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	w.nft("delete table ip others")
	w.await(lab.AllOK)
}

// TestBadConfigurationOnReload leaves everything as it was, and says so; a good one is taken.
func TestBadConfigurationOnReload(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	w.services()
	w.daemon()
	before := w.rules()
	good := w.Configuration(lab.Settings{Ping: true})
	for name, bad := range map[string]string{
		"no YAML":      "\x00\x00",
		"unknown key":  good + "surprise: 1\n",
		"lost roots":   strings.Replace(good, w.RootsFile(), "/nowhere.pem", 1),
		"no way in":    strings.Replace(good, "ports: [22/tcp]", "ports: []", 1),
		"empty at all": "",
	} {
		if err := w.Write(bad); err != nil {
			t.Fatal(err)
		}
		said := strings.Count(w.Daemon().Output(), "rejected")
		if err := w.Reload(); err != nil {
			t.Fatal(err)
		}
		err := lab.Until(within(t, 10*time.Second), name, func() error {
			if strings.Count(w.Daemon().Output(), "rejected") > said {
				return nil
			}
			return fmt.Errorf("the daemon does not say that it rejects it: %s", w.Daemon().Output())
		})
		if err != nil {
			t.Fatal(err)
		}
		if after := w.rules(); after != before {
			t.Errorf("%s: before:\n%s\nafter:\n%s", name, before, after)
		}
	}
	if got, want := w.knocks(), both("admin tcp22"); !slices.Equal(got, want) {
		t.Errorf("after bad configurations these get in: %v, want %v", got, want)
	}
	if err := w.Write(good); err != nil {
		t.Fatal(err)
	}
	if err := w.Reload(); err != nil {
		t.Fatal(err)
	}
	w.await(func(r lab.Report) error {
		if got := w.Admin.Ping(within(t, time.Second), w.Host.IPv4); !got.In {
			return fmt.Errorf("a good configuration is not in force: ping meets %s", got.Says)
		}
		return lab.AllOK(r)
	})
}

// TestEndOfTheDaemon holds that it stops in less than a second, and that the ruleset outlives it, however it ends.
func TestEndOfTheDaemon(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			w := newWorld(t, lab.Settings{})
			w.services()
			if took := quickest(time.Second, func() time.Duration { return w.endDaemon(signal) }); took > time.Second {
				t.Errorf("it took %s to stop", took)
			}
			if got, want := w.knocks(), both("admin tcp22"); !slices.Equal(got, want) {
				t.Errorf("without the daemon these get in: %v, want %v", got, want)
			}
			w.must(3, "status")
		})
	}
}

// endDaemon starts the daemon, ends it, and returns how long that took.
func (w world) endDaemon(signal syscall.Signal) time.Duration {
	w.t.Helper()
	w.daemon()
	before := w.rules()
	began := time.Now()
	if err := w.Daemon().Signal(signal); err != nil {
		w.t.Fatal(err)
	}
	select {
	case <-w.Daemon().Ended():
	case <-within(w.t, 10*time.Second).Done():
		w.t.Fatalf("it did not end: %s", w.Daemon().Output())
	}
	took := time.Since(began)
	if after := w.rules(); after != before {
		w.t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	return took
}

// TestMetricsPassPromtool reads the metrics as Prometheus would, and has its own tool judge them.
func TestMetricsPassPromtool(t *testing.T) {
	need(t, "promtool")
	w := newWorld(t, lab.Settings{})
	w.daemon()
	if err := w.Flaw(within(t, 10*time.Second), w.Web, lab.CloudName, lab.Expired); err != nil {
		t.Fatal(err)
	}
	w.await(lab.Has(lab.CheckCloud, "fail", "cert.expired"))
	file := filepath.Join(w.Dir, "metrics.txt")
	if err := os.WriteFile(file, []byte(w.scrape()), 0o644); err != nil {
		t.Fatal(err)
	}
	input, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = input.Close() }()
	promtool := exec.CommandContext(within(t, 20*time.Second), "promtool", "check", "metrics")
	promtool.Stdin = input
	if out, err := promtool.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v: %s", err, out)
	}
	scraped, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`sallyport_check_status\{[^}]*cause="cert.expired"[^}]*check="code42-console"`,
		`probe_success\{[^}]*code42-console[^}]*\} 0`,
		`probe_success\{[^}]*directory[^}]*\} 1`, `probe_ssl_earliest_cert_expiry\{`, `sallyport_firewall_`,
	} {
		if !regexp.MustCompile(want).Match(scraped) {
			t.Errorf("no %s in the metrics:\n%s", want, scraped)
		}
	}
}

// scrape reads the metrics from within the host: they listen on its loopback.
func (w world) scrape() string {
	w.t.Helper()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return w.Host.Dial(ctx, network, address)
		},
	}}
	const url = "http://127.0.0.1:9636/metrics"
	request, err := http.NewRequestWithContext(within(w.t, 5*time.Second), http.MethodGet, url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<20))
	if err != nil || response.StatusCode != http.StatusOK {
		w.t.Fatal(response.Status, err)
	}
	return string(body)
}

// TestSyslogOfRsyslog sends to a real rsyslogd by UDP, TCP and a unix socket, and reads what arrived.
func TestSyslogOfRsyslog(t *testing.T) {
	need(t, "rsyslogd")
	w := newWorld(t, lab.Settings{})
	dir := filepath.Join(w.Dir, "rsyslog")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(conf, []byte(rsyslogConfiguration(dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	rsyslogd, err := w.Resolver.Start("rsyslogd", "-n", "-f", conf, "-i", filepath.Join(dir, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	err = lab.Until(within(t, 10*time.Second), "rsyslogd", func() error {
		conn, err := w.Host.Dial(t.Context(), "tcp", netip.AddrPortFrom(w.Resolver.IPv4, 601).String())
		if err != nil {
			return fmt.Errorf("%w: %s", err, rsyslogd.Output())
		}
		return conn.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(w.Configuration(lab.Settings{Syslog: []string{
		"udp://" + w.Resolver.Address("ip4", 514), "tcp://" + w.Resolver.Address("ip6", 601),
		"unix://" + filepath.Join(dir, "log"),
	}})); err != nil {
		t.Fatal(err)
	}
	w.daemon()
	if err := w.Flaw(within(t, 10*time.Second), w.Web, lab.CloudName, lab.Expired); err != nil {
		t.Fatal(err)
	}
	w.await(lab.Has(lab.CheckCloud, "fail", "cert.expired"))
	for _, input := range []string{"imudp", "imptcp", "imuxsock"} {
		want := regexp.MustCompile(`(?m)^` + input + ` .*sallyport.*cause="cert\.expired".*`)
		err := lab.Until(within(t, 10*time.Second), input, func() error {
			got, err := os.ReadFile(filepath.Join(dir, "out"))
			if err != nil {
				return err
			}
			record := string(want.Find(got))
			if !strings.Contains(record, `check="code42-console"`) || !strings.Contains(record, `status="fail"`) {
				return fmt.Errorf("no record of the expired certificate by %s in:\n%s", input, got)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func rsyslogConfiguration(dir string) string {
	return fmt.Sprintf(`global(workDirectory="%[1]s" maxMessageSize="64k")
module(load="imudp") module(load="imptcp") module(load="imuxsock" SysSock.Use="off")
input(type="imudp" port="514") input(type="imptcp" port="601")
input(type="imuxsock" socket="%[1]s/log" UseSpecialParser="off" ParseHostname="on")
template(name="line" type="string" string="%%inputname%% %%app-name%% %%structured-data%% %%msg%%\n")
action(type="omfile" file="%[1]s/out" template="line")
`, dir)
}
