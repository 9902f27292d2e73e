package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// past is what `sallyport history -o json` says, as far as the tests look.
type past struct {
	Transitions []struct {
		Check, From, To string
		Result          struct{ Cause, Detail string }
	}
	Knocks []struct {
		From, Port string
		Packets    uint64
	}
}

func (w world) past() past {
	w.t.Helper()
	var p past
	if err := json.Unmarshal([]byte(w.must(0, "history", "-o", "json").Stdout), &p); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// TestHistory breaks something, kills the daemon, and reads of it all the same.
func TestHistory(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	if err := w.Write(w.Configuration(lab.Settings{}) + "  history: {keep: 1d}\n"); err != nil {
		t.Fatal(err)
	}
	w.daemon()
	if err := w.Flaw(within(t, 10*time.Second), w.Web, lab.CloudName, lab.Expired); err != nil {
		t.Fatal(err)
	}
	w.await(lab.Has(lab.CheckCloud, "fail", "cert.expired"))
	err := lab.Until(within(t, 10*time.Second), "the history", func() error {
		for _, c := range w.past().Transitions {
			if c.Check == lab.CheckCloud && c.From == "ok" && c.To == "fail" && c.Result.Cause == "cert.expired" {
				return nil
			}
		}
		return fmt.Errorf("nothing of the expired certificate: %+v", w.past())
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Daemon().Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-w.Daemon().Ended()
	if got := w.past(); len(got.Transitions) == 0 {
		t.Error("the history went with the daemon")
	}

	file := filepath.Join(filepath.Dir(w.File), "state", "history.db")
	if err := os.WriteFile(file, []byte("not a database, whatever it was before"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(3, "history")
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	err = lab.Until(within(t, 10*time.Second), "a history begun anew", func() error {
		got, err := w.Command(within(t, 5*time.Second), "history")
		if err == nil && got.Code != 0 {
			err = fmt.Errorf("exit code %d: %s", got.Code, got.Stderr)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if aside, err := filepath.Glob(file + ".damaged-*"); err != nil || len(aside) == 0 {
		t.Errorf("nothing was set aside: %v", err)
	}
}
