package kernel

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
	"time"

	"sallyport/firewall"
)

var errKilled = errors.New("killed")

// killedAfter is a connection that comes to an end after a stage, and none where that is 0; and which stages it comes to.
func killedAfter(t *testing.T, last int) (*Conn, *[]int) {
	t.Helper()
	c, stages := open4Test(t), new([]int)
	c.staged = func(stage int) error {
		if *stages = append(*stages, stage); stage == last {
			return errKilled
		}
		return nil
	}
	return c, stages
}

// letsIn is a ruleset that lets in TCP and UDP from one source of each family.
func letsIn(t *testing.T, sources ...string) firewall.Ruleset {
	t.Helper()
	return compile(t, firewall.Policy{NoManagement: true, Allow: []firewall.Exception{
		{Name: "a", Ports: ports("20-22/tcp", "53/udp", "160-161/udp"), From: prefixes(sources...)},
	}})
}

// TestKilledBetweenStages holds that a table that was left between the stages of a change judges packets as the old or as
// the new policy, and that whatever is applied next comes out as it does alone.
func TestKilledBetweenStages(t *testing.T) {
	admins, strangers := []string{adminV4, adminV6}, []string{strangerV4, strangerV6}
	before := letsIn(t, adminV4+"/32", adminV6+"/128", "192.0.2.0/24")
	after := letsIn(t, strangerV4+"/32", strangerV6+"/128", "198.51.100.0/24")
	third := letsIn(t, "10.1.0.0/16", "2001:db8::/32")
	for last, in := range map[int][]string{1: admins, 2: strangers} {
		t.Run(fmt.Sprint(last), func(t *testing.T) {
			t.Parallel()
			h := newTrialHost(t)
			for i, next := range []firewall.Ruleset{third, before, after} {
				c := open4Test(t)
				if err := c.Apply(t.Context(), before); err != nil {
					t.Fatal(err)
				}
				c, _ = killedAfter(t, last)
				if err := c.Apply(t.Context(), after); !errors.Is(err, errKilled) {
					t.Fatalf("%v, want an end after stage %d", err, last)
				}
				if golden := goldenOf(t, before); dumpHere(t).Equal(golden) {
					t.Error("nothing was done: the test proves nothing")
				}
				if i == 0 {
					h.judges(in, false, func() {})
				}
				if err := open4Test(t).Apply(t.Context(), next); err != nil {
					t.Fatal(err)
				}
				if got, want := dumpHere(t), goldenOf(t, next); !got.Equal(want) {
					t.Errorf("%s", differingLines(want, got))
				}
			}
		})
	}
}

// TestStagesFromAnything holds that applies that end after any of their stages, one after the other, leave nothing behind
// that the next one does not tidy up.
func TestStagesFromAnything(t *testing.T) {
	newNamespace(t)
	r := rand.New(rand.NewPCG(4, 2))
	killed, staged := map[int]int{}, 0
	for seed := range uint64(60) {
		last := r.IntN(4)
		c, stages := killedAfter(t, last)
		rules := compile(t, randomPolicy(seed%4))
		if r.IntN(3) == 0 {
			rules = besideOf(t, rules, compile(t, randomPolicy(seed+100)), time.Hour)
		}
		err := c.Apply(t.Context(), rules)
		if staged += len(*stages); errors.Is(err, errKilled) {
			killed[last]++
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got, want := dumpHere(t), goldenOf(t, rules); !got.Equal(want) {
			t.Fatalf("seed %d, stages %v:\n%s", seed, *stages, differingLines(want, got))
		}
	}
	if killed[1] < 5 || killed[2] < 5 || killed[3] < 5 || staged < 60 {
		t.Errorf("killed %v of %d stages: the test proves little", killed, staged)
	}
}

// TestStages holds when there are stages, and which.
func TestStages(t *testing.T) {
	one, other := letsIn(t, "10.1.0.0/16"), letsIn(t, "10.2.0.0/16")
	asleep := one
	asleep.Dormant = true
	for name, test := range map[string]struct {
		before func(c *Conn) error
		then   firewall.Ruleset
		want   []int
	}{
		"no table":      {func(*Conn) error { return nil }, one, nil},
		"a dormant one": {func(c *Conn) error { return c.Apply(t.Context(), asleep) }, other, nil},
		"the same":      {func(c *Conn) error { return c.Apply(t.Context(), one) }, one, nil},
		"a changed set": {func(c *Conn) error { return c.Apply(t.Context(), one) }, other, []int{1, 2, 3}},
		"a set more": {
			func(c *Conn) error { return c.Apply(t.Context(), one) }, letsIn(t, "10.1.0.0/16", "2001:db8::/32"), []int{1, 2},
		},
		"a set less": {
			func(c *Conn) error { return c.Apply(t.Context(), letsIn(t, "10.1.0.0/16", "2001:db8::/32")) }, one, nil,
		},
		"a trial": {
			func(c *Conn) error { return c.Apply(t.Context(), one) }, besideOf(t, one, other, time.Hour), []int{1, 2},
		},
		"no base chain": {func(c *Conn) error {
			if err := c.Apply(t.Context(), one); err != nil {
				return err
			}
			runNft(t, "flush table inet sallyport\n", "-f", "-")
			return nil
		}, other, nil},
	} {
		t.Run(name, func(t *testing.T) {
			newNamespace(t)
			if err := test.before(open4Test(t)); err != nil {
				t.Fatal(err)
			}
			c, stages := killedAfter(t, 0)
			if err := c.Apply(t.Context(), test.then); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(*stages, test.want) {
				t.Errorf("stages %v, want %v", *stages, test.want)
			}
			if got, want := dumpHere(t), goldenOf(t, test.then); !got.Equal(want) {
				t.Errorf("%s", differingLines(want, got))
			}
		})
	}
}

// TestStagesAgainstOthers holds that somebody else's commit between two stages is seen, that the change is made all the
// same, and that what was made before it is not made again.
func TestStagesAgainstOthers(t *testing.T) {
	newNamespace(t)
	one, other := letsIn(t, "10.1.0.0/16"), letsIn(t, "10.2.0.0/16")
	for between := 1; between <= 2; between++ {
		if err := open4Test(t).Apply(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		c, stages := killedAfter(t, 0)
		note := c.staged
		c.staged = func(stage int) error {
			if stage == between && len(*stages) < between {
				runNft(t, fmt.Sprintf("add table inet other%d\n", between), "-f", "-")
			}
			return note(stage)
		}
		if err := c.Apply(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		// After the second only the names are left to be put right, which is one transaction.
		if want := [][]int{nil, {1, 2, 3}, {1, 2}}[between]; !slices.Equal(*stages, want) {
			t.Errorf("stages %v, want %v", *stages, want)
		}
		if got, want := dumpHere(t), goldenOf(t, other); !got.Equal(want) {
			t.Errorf("%s", differingLines(want, got))
		}
	}
}

// TestMovedHosts holds that a set of hosts is made anew, and not changed in place, where one of them goes to another set.
func TestMovedHosts(t *testing.T) {
	hosts := []string{"10.1.0.0/32", "10.1.0.2/32", "10.1.0.4/32", "10.1.0.6/32", "10.1.0.8/32", "10.1.0.10/32",
		"10.1.0.12/32", "10.1.0.14/32", "10.1.0.16/32", "10.1.0.18/32", "10.1.0.20/32", "10.1.0.22/32"}
	handle := func() string {
		return regexp.MustCompile(`set in_a_hosts4 \{ # handle \d+`).
			FindString(runNft(t, "", "-a", "list", "table", "inet", "sallyport"))
	}
	newNamespace(t)
	c := open4Test(t)
	for _, step := range []struct {
		from []string
		kept bool
	}{
		{hosts, false}, {hosts[1:], true}, {append(hosts[2:], "10.1.0.2/31"), false},
	} {
		before := ""
		if _, err := c.Dump(t.Context()); err == nil {
			before = handle()
		}
		if err := c.Apply(t.Context(), letsIn(t, step.from...)); err != nil {
			t.Fatal(err)
		}
		if kept := before == handle(); kept != step.kept {
			t.Errorf("%v: kept %t", step.from, kept)
		}
	}
}
