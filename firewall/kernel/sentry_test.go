package kernel

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// sentriesHere stand in the test's namespace until it ends, if may says so.
func sentriesHere(t *testing.T, may func() bool) (*Sentries, <-chan Restoration) {
	t.Helper()
	s, err := NewSentries()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	restored, ended := make(chan Restoration, 1000), make(chan error, 1)
	go func() { ended <- s.Run(ctx, may, func(r Restoration) { restored <- r }) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err := errors.Join(err, s.Close()); err != nil {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Error("the sentries stand on after their context")
		}
	})
	return s, restored
}

func always() bool { return true }

func nextRestoration(t *testing.T, restored <-chan Restoration) Restoration {
	t.Helper()
	select {
	case r := <-restored:
		return r
	case <-time.After(5 * time.Second):
		t.Fatal("nothing is put back")
		return Restoration{}
	}
}

// none holds that the sentries let a commit pass. They need a few milliseconds where they do not.
func none(t *testing.T, restored <-chan Restoration) {
	t.Helper()
	select {
	case r := <-restored:
		t.Errorf("restored after %+v", r.After)
	case <-time.After(200 * time.Millisecond):
	}
}

// TestSentriesPutBackWhatIsGone holds that a table which is gone comes back as it was, by whatever command and however
// large it is.
func TestSentriesPutBackWhatIsGone(t *testing.T) {
	for name, rules := range map[string]firewall.Ruleset{
		"small": compile(t, hostPolicy()), "large": compile(t, wide(20_000)),
	} {
		t.Run(name, func(t *testing.T) {
			newNamespace(t)
			golden := fresh(t, rules)
			if err := open4Test(t).Apply(t.Context(), rules); err != nil {
				t.Fatal(err)
			}
			s, restored := sentriesHere(t, always)
			if err := s.Arm(&rules); err != nil {
				t.Fatal(err)
			}
			for _, command := range []string{"flush ruleset", "delete table inet sallyport"} {
				runNft(t, command+"\n", "-f", "-")
				r := nextRestoration(t, restored)
				if r.After.Command != "nft" || r.Done.Before(r.Heard) {
					t.Errorf("%s: %+v", command, r)
				}
				if got := dumpHere(t); !got.Equal(golden) {
					t.Errorf("%s:\n%s", command, differingLines(golden, got))
				}
			}
			if again := len(restored); again != 0 {
				t.Errorf("%d restorations too many", again)
			}
		})
	}
}

// TestSentriesLeaveWhatIsThere holds that a table which is there, drifted as it may be, is not theirs to mend.
func TestSentriesLeaveWhatIsThere(t *testing.T) {
	newNamespace(t)
	rules := compile(t, hostPolicy())
	if err := open4Test(t).Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	s, restored := sentriesHere(t, always)
	if err := s.Arm(&rules); err != nil {
		t.Fatal(err)
	}
	runNft(t, "insert rule inet sallyport input accept; add table ip other", "-f", "-")
	drifted := dumpHere(t)
	none(t, restored)
	if got := dumpHere(t); !got.Equal(drifted) {
		t.Errorf("changed:\n%s", differingLines(drifted, got))
	}
}

// TestSentriesOnOrder holds that they do nothing unarmed, without leave, or for a ruleset whose time is running.
func TestSentriesOnOrder(t *testing.T) {
	newNamespace(t)
	rules := compile(t, hostPolicy())
	timed := rules
	timed.Sets = append([]firewall.Set{{
		Name: "timed", Key: []firewall.KeyType{firewall.Mark}, Timed: true,
		Elements: []firewall.Element{{Key: []firewall.Value{firewall.Number(1)}, Timeout: time.Hour}},
	}}, rules.Sets...)
	s, restored := sentriesHere(t, func() bool { return false })
	for name, armed := range map[string]*firewall.Ruleset{"without leave": &rules, "none": nil, "timed": &timed} {
		if err := s.Arm(armed); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if s.Armed() != (armed == &rules) {
			t.Errorf("%s: armed is %t", name, s.Armed())
		}
		runNft(t, "flush ruleset", "-f", "-")
		none(t, restored)
	}
}

func TestAnswered(t *testing.T) {
	refused := []byte{36, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff}
	if err := answered(refused); !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v, want ENOENT", err)
	}
	for _, b := range [][]byte{nil, refused[:18], {20, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
		if err := answered(b); err != nil {
			t.Errorf("%v: %v", b, err)
		}
	}
}
