package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// asService runs a line of bash on the host as the service's user until the test ends it.
func (w world) asService(line string) (end func()) {
	w.t.Helper()
	need(w.t, "setpriv", "bash")
	process, err := w.Host.Start("setpriv", fmt.Sprintf("--reuid=%d", reader), "--clear-groups", "bash", "-c", line)
	if err != nil {
		w.t.Fatal(err)
	}
	return func() { _ = process.Stop() }
}

// silence has the directory drop packets, or not any more, as a line for nft says.
func (w world) silence(line string) {
	w.t.Helper()
	need(w.t, "nft")
	if got, err := w.Directory.Run(within(w.t, 5*time.Second), "nft", line); err != nil || got.Code != 0 {
		w.t.Fatalf("nft: %v: %s", err, got.Stderr)
	}
}

// serviced wants the service's result to have a status, a cause and words.
func serviced(status, cause string, words ...string) func(lab.Report) error {
	return func(r lab.Report) error {
		if err := lab.Has("service", status, cause)(r); err != nil {
			return err
		}
		for _, word := range words {
			if got := r.Of("service"); !strings.Contains(got.Detail, word) {
				return fmt.Errorf("service says %q, without %q", got.Detail, word)
			}
		}
		return nil
	}
}

// TestServiceConnections has the service's user connect for real, to a directory that no longer answers and to a port
// without encryption, and its log complain: the daemon tells it by the guard, and `check service` by itself.
func TestServiceConnections(t *testing.T) {
	if os.Getuid() != 0 || !manyUsers() {
		if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
			t.Fatal("there are no other users here")
		}
		t.Skip("there are no other users here")
	}
	w := outward(t, "open")
	log := filepath.Join(w.Dir, "uds.log")
	said := w.Configuration(lab.Settings{Service: fmt.Sprint(reader)})
	user := fmt.Sprintf("{user: \"%d\"", reader)
	if err := w.Write(strings.Replace(said, user, user+", log: "+log, 1)); err != nil {
		t.Fatal(err)
	}
	w.greets(w.Admin, 389)
	w.daemon()
	w.await(serviced("ok", "", "no connection of 4242 now"))

	end := w.asService(fmt.Sprintf("exec 3<>/dev/tcp/%s/636; exec sleep 60", w.Directory.IPv4))
	report := w.await(serviced("ok", "", "1 connection of 4242: the server of the check directory, "+lab.DirectoryName))
	var evidence struct {
		UID         uint32
		Connections []struct {
			Check, State string
			RTT          float64 `json:"rtt_ms"`
		}
	}
	if err := json.Unmarshal(report.Of("service").Evidence, &evidence); err != nil || len(evidence.Connections) != 1 ||
		evidence.Connections[0].RTT == 0 { // which netlink alone tells, and so the guard
		t.Errorf("%v: the evidence is %s", err, report.Of("service").Evidence)
	}
	end()

	w.silence("add table inet silence; add chain inet silence in { type filter hook input priority 0; }; " +
		"add rule inet silence in tcp dport 636 drop")
	end = w.asService(fmt.Sprintf("exec 3<>/dev/tcp/%s/636", w.Directory.IPv4))
	stuck := "no answer from the server of the check directory, " + lab.DirectoryName
	report = w.await(serviced("fail", "connect.timeout", stuck))
	if err := json.Unmarshal(report.Of("service").Evidence, &evidence); err != nil || evidence.UID != reader ||
		len(evidence.Connections) != 1 || evidence.Connections[0].State != "syn-sent" ||
		evidence.Connections[0].Check != "directory" {
		t.Errorf("%v: the evidence is %s", err, report.Of("service").Evidence)
	}
	if metrics := w.scrape(); !strings.Contains(metrics, `cause="connect.timeout",check="service",kind="service"`) {
		t.Errorf("the metrics do not tell of it: %s", metrics)
	}
	if alone := w.must(2, "check", "service"); !strings.Contains(alone.Stdout, stuck) {
		t.Errorf("check service says %s", alone.Stdout)
	}
	complaint := time.Now().Format("2006-01-02 15:04:05") + " ERROR java.net.SocketTimeoutException: Connect timed out\n"
	if err := os.WriteFile(log, []byte(complaint), 0o600); err != nil {
		t.Fatal(err)
	}
	w.await(serviced("fail", "connect.timeout", "its log said", "Connect timed out", "the check directory finds the same"))
	w.await(func(r lab.Report) error {
		if got := r.Of("directory"); got.Status != "fail" || !strings.Contains(got.Detail, "the service says so too") {
			return fmt.Errorf("the directory says %q", got.Detail)
		}
		return nil
	})
	w.await(func(r lab.Report) error { // what the service meets is no root of its own
		v := r.Verdict
		if !slices.Equal(v.Affected, []string{"directory", "service"}) || len(v.Others) > 0 ||
			!strings.Contains(strings.Join(v.Evidence, "\n"), "the service meets it too: "+stuck) {
			return fmt.Errorf("the verdict is %+v", v)
		}
		return nil
	})
	end()
	w.silence("delete table inet silence")
	w.await(lab.AllOK)
	w.await(serviced("warn", "connect.timeout", "no connection of 4242 now; last seen", "the checks find nothing of it"))

	defer w.asService(fmt.Sprintf("exec 3<>/dev/tcp/%s/389; exec sleep 60", w.Admin.IPv6))()
	w.await(serviced("fail", "posture.outbound.encrypted", fmt.Sprintf("[%s]:389", w.Admin.IPv6)))
}
