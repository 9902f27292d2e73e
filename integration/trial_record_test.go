package integration_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"sallyport/integration/lab"
)

// TestGuardGoesOnByTheRecord kills a guard after an apply, when the file has changed again and nobody has applied that: what
// is in force stays, which is neither what the daemon began with nor what is in the file.
func TestGuardGoesOnByTheRecord(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.services()
	w.daemon()
	w.wider()
	w.must(0, "apply", "--now")
	w.await(lab.AllOK)
	others := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	if err := w.Write(w.Configuration(lab.Settings{Admins: others})); err != nil {
		t.Fatal(err)
	}
	before := w.rules()
	w.kill(w.child("guard"))
	w.await(func(r lab.Report) error {
		if said := w.Daemon().Output(); strings.Count(said, "msg=guarding") < 2 {
			return fmt.Errorf("no other guard: %s", said)
		}
		return lab.AllOK(r)
	})
	if after := w.rules(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	w.getIn("admin tcp22", "stranger tcp8080")
}

// TestTrialLeftToAnObserver ends a trial by nobody's doing while the guard only observes: it is in nobody's way afterwards.
func TestTrialLeftToAnObserver(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.services()
	w.must(0, "apply", "--now")
	w.wider()
	wide := w.read(w.File)
	w.must(0, "apply", "--confirm-within", "1s")
	if err := w.Write(strings.Replace(wide, "mode: enforce", "mode: observe", 1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	w.await(lab.Has("firewall", "fail", "firewall.drift"))
	w.untilExpired()
	if err := w.Write(wide); err != nil {
		t.Fatal(err)
	}
	w.must(0, "apply", "--now")
	w.await(lab.Has("firewall", "ok", ""))
	w.getIn("admin tcp22", "stranger tcp8080")
}
