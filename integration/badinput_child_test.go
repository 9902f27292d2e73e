package integration_test

import (
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// child is the process of a role that runs with the world's configuration; 0 when there is none.
func (w world) child(role string) int {
	w.t.Helper()
	for pid, line := range processes(w.t, w.File) {
		if strings.Contains(line, "--only "+role+" ") {
			return pid
		}
	}
	return 0
}

// kill ends a process as the kernel does when there is no memory left.
func (w world) kill(pid int) {
	w.t.Helper()
	if pid == 0 {
		w.t.Fatal("there is no such process")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
}

// TestSupervisorIsKilled holds that the guard and the prober do not outlive the process that keeps them, that the ruleset
// does, and that the daemon starts again over what was left.
func TestSupervisorIsKilled(t *testing.T) {
	w := newBox(t, lab.Settings{})
	for range 3 {
		j := w.start(nil, "run", "--here", "--config", w.File)
		if _, err := w.untilStatus(j, guarded); err != nil {
			t.Fatal(err)
		}
		if guard, prober := w.child("guard"), w.child("probe"); guard == 0 || prober == 0 {
			t.Fatalf("there should be a guard and a prober, not only %v", processes(t, w.File))
		}
		w.unchanged("its sudden end", func() {
			j.signal(syscall.SIGKILL)
			w.outcome(j, prompt)
			err := lab.Until(within(t, 2*time.Second), "the end", func() error {
				if left := processes(t, w.File); len(left) > 0 {
					return fmt.Errorf("these live on: %v", left)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		got := w.must(codeUnknown, "status")
		refuses(t, got, "not running", "sallyport run")
	}
}

// witness counts what gets past Sallyport's table from the stranger: its chain comes later in the same hook.
func (w world) witness() {
	w.t.Helper()
	w.nft(fmt.Sprintf(`table inet witness { chain in { type filter hook input priority 10; policy accept;
		ip saddr %s meta l4proto { tcp, udp, icmp } counter; ip6 saddr %s meta l4proto { tcp, udp } counter; }; }`,
		w.Stranger.IPv4, w.Stranger.IPv6))
}

// seen is how many packets the witness has counted, in both families.
func (w world) seen() int {
	w.t.Helper()
	packets := 0
	list := w.nft("list", "table", "inet", "witness")
	for _, count := range regexp.MustCompile(`packets (\d+)`).FindAllStringSubmatch(list, -1) {
		n, err := strconv.Atoi(count[1])
		if err != nil {
			w.t.Fatal(err)
		}
		packets += n
	}
	return packets
}

// storm sends datagrams and connection attempts from the stranger, a thousand a second, until the function that it
// returns is called, which says how many it sent.
func (w world) storm() (stop func() int) {
	w.t.Helper()
	over := make(chan struct{})
	var ended sync.WaitGroup
	sent := 0
	conns := make([]io.WriteCloser, 0, 2)
	for _, address := range w.Host.Addresses() {
		conn, err := w.Stranger.Dial(within(w.t, prompt), "udp", netip.AddrPortFrom(address, lab.AgentPort).String())
		if err != nil {
			w.t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	ended.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			for _, conn := range conns {
				if _, err := io.WriteString(conn, "knock"); err == nil { // a refusal of the last one is an error, too
					sent++
				}
			}
		}
	})
	return sync.OnceValue(func() int {
		close(over)
		ended.Wait()
		for _, conn := range conns {
			_ = conn.Close()
		}
		return sent
	})
}

// TestChildIsKilled ends the guard, then the prober: each is started again, and meanwhile nobody gets in.
func TestChildIsKilled(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.services()
	w.witness()
	stop := w.storm()
	err := lab.Until(within(t, prompt), "an open host", func() error {
		if w.seen() == 0 {
			return fmt.Errorf("nothing from the stranger comes in")
		}
		return nil
	})
	stop()
	if err != nil {
		t.Fatal(err)
	}
	w.daemon()
	supervisor := w.Daemon().Pid()
	for _, role := range []string{"guard", "probe", "guard"} {
		before := w.seen()
		stop := w.storm()
		defer stop()
		old := w.child(role)
		w.unchanged("the end of "+role, func() {
			w.kill(old)
			knocks := w.knocks()
			if want := both("admin tcp22"); !slices.Equal(knocks, want) {
				t.Errorf("while %s is away these get in: %v, want %v", role, knocks, want)
			}
			err := lab.Until(within(t, prompt), role, func() error {
				if now := w.child(role); now == 0 || now == old {
					return fmt.Errorf("it is not started again: %v", processes(t, w.File))
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			w.await(lab.AllOK)
		})
		if sent := stop(); sent < 200 {
			t.Errorf("the stranger sent only %d packets", sent)
		}
		if past := w.seen() - before; past > 0 {
			t.Errorf("when %s was killed, %d packets of the stranger came through", role, past)
		}
		if got := strings.Count(w.Daemon().Output(), "child="+role); got == 0 {
			t.Errorf("nothing is said of it: %s", w.Daemon().Output())
		}
	}
	if now := w.Daemon().Pid(); now != supervisor {
		t.Errorf("the supervisor was %d and is %d", supervisor, now)
	}
	w.nft("delete table inet sallyport") // is the guard at work?
	w.await(lab.Has("firewall", "warn", "firewall.repaired"))
}

// TestSecondDaemon starts another one with the same configuration: it is refused, and the first does not notice.
func TestSecondDaemon(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.daemon()
	guard, prober := w.child("guard"), w.child("probe")
	w.unchanged("a second daemon", func() {
		for _, role := range []string{"guard", "probe"} {
			got := w.run(nil, "run", "--here", "--only", role, "--config", w.File)
			refuses(t, got, "another instance is running", role+".sock")
		}
		got := w.run(nil, "run", "--here", "--config", w.File)
		if got.Code != codeUnknown || !strings.Contains(got.Stderr, "sallyport: another instance is running") {
			t.Errorf("%+v", got)
		}
		readable(t, got.Stderr)
	})
	if w.child("guard") != guard || w.child("probe") != prober {
		t.Errorf("the first one's processes were %d and %d, and are %v", guard, prober, processes(t, w.File))
	}
	w.await(lab.AllOK)
	if out := w.Daemon().Output(); strings.Contains(out, "level=ERROR") || strings.Contains(out, "started again") {
		t.Errorf("the first one complains: %s", out)
	}
}

// TestPortOfMetricsIsTaken holds that what keeps the prober from its work does not keep the host open, and that the
// prober begins when it can.
func TestPortOfMetricsIsTaken(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.must(0, "apply", "--now")
	complete := w.rules()
	w.nft("flush ruleset")
	other, err := w.Host.Listen(t.Context(), 9636)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	j := w.start(nil, "run", "--here", "--config", w.File)
	err = lab.Until(within(t, prompt), "the guard", func() error {
		if said := w.said(j); !strings.Contains(said, "sallyport: report.metrics.listen: ") {
			return fmt.Errorf("nothing is said of the port: %s", said)
		}
		if rules := w.rules(); rules != complete {
			return fmt.Errorf("the ruleset is %q", rules)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	refuses(t, w.must(codeUnknown, "status"), "not running")
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.untilStatus(j, guarded); err != nil {
		t.Error(err)
	}
}

// TestEditWithoutReload holds that a process that is started again begins with the configuration in force: an edit that
// nobody has asked to load, even a broken one, waits for the reload.
func TestEditWithoutReload(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.daemon()
	before := w.rules()
	good := w.Configuration(lab.Settings{})
	for name, edit := range map[string]string{
		"another policy": w.Configuration(lab.Settings{Ping: true}),
		"a broken file":  "\x00",
	} {
		if err := w.Write(edit); err != nil {
			t.Fatal(err)
		}
		for _, role := range []string{"guard", "probe"} {
			old := w.child(role)
			w.kill(old)
			err := lab.Until(within(t, prompt), role, func() error {
				if now := w.child(role); now == 0 || now == old {
					return fmt.Errorf("it is not started again: %v", processes(t, w.File))
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		if err := w.Write(good); err != nil { // status reads the file, too
			t.Fatal(err)
		}
		w.await(lab.AllOK)
		if after := w.rules(); after != before {
			t.Errorf("%s came into force unasked:\n%s\nbefore:\n%s", name, after, before)
		}
	}
}

// TestGuardIsAway holds that a guard that says nothing is noticed: what nobody looks at does not read as well.
func TestGuardIsAway(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.daemon()
	guard := w.child("guard")
	if err := syscall.Kill(guard, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.await(lab.Has("firewall", "unknown", "unknown.firewall"))
	if err := syscall.Kill(guard, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.await(lab.Has("firewall", "ok", ""))
}
