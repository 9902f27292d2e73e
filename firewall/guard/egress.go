package guard

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
	"sallyport/firewall/kernel/sockets"
)

// aboutToExpire is how soon an address may go by itself, so that it is not missed.
const aboutToExpire = 5 * time.Second

// Know says of which policies names may be learned from now on, and whom they let in: of the one in force, and before it
// of one on trial, which lets nobody in any more once it has come to nothing. It is to be called after Put. What is known
// of a name that stays is kept.
func (g *Guard) Know(ctx context.Context, policies ...firewall.Policy) error {
	sets := map[string]firewall.NameSets{}
	for _, p := range policies {
		for name, s := range firewall.LearnedSets(p) {
			sets[name] = firewall.NameSets{
				V4: withTrial(sets[name].V4, s.V4), V6: withTrial(sets[name].V6, s.V6),
			}
		}
	}
	if err := g.take(ctx); err != nil {
		return err
	}
	defer g.give()
	g.policies = policies
	g.names.expect(sets)
	return g.teach(ctx)
}

// withTrial adds sets, under their own names and under those that they have on trial.
func withTrial(known, sets []string) []string {
	for _, set := range sets {
		for _, name := range []string{set, firewall.OnTrial(set)} {
			if !slices.Contains(known, name) {
				known = append(known, name)
			}
		}
	}
	return known
}

// Learn takes where names lead, and lets out what the policy names: for the TTL of the answer and an hour beyond. What it
// does not let out is returned, and logged when it is new. A name that no policy has is passed by: whoever tells is not to
// be trusted with more than the names that the guard knows itself. Where the guard does not enforce, nothing is written.
func (g *Guard) Learn(ctx context.Context, answers []Answer) ([]RefusedAddress, error) {
	own := ownAddresses()
	if err := g.take(ctx); err != nil {
		return nil, err
	}
	defer g.give()
	var refused []RefusedAddress
	now := time.Now()
	for _, a := range answers {
		before := maps.Clone(g.names.refused[a.Name])
		for _, r := range g.names.learn(a, own, now) {
			refused = append(refused, r)
			if before[r.Addr] == "" {
				g.log.Log(ctx, slog.LevelWarn, "an address of a name is not let out",
					"name", escaped(r.Name), "address", r.Addr, "because", "it is "+r.Why)
			}
		}
	}
	return refused, g.teach(ctx)
}

// Expects says whether a policy in force has the name.
func (g *Guard) Expects(ctx context.Context, name string) bool {
	if err := g.take(ctx); err != nil {
		return false
	}
	defer g.give()
	_, ok := g.names.sets[name]
	return ok
}

// teach tells the kernel what it does not know yet. Whose turn it is calls it.
func (g *Guard) teach(ctx context.Context) error {
	if !g.enforce {
		return nil
	}
	now := time.Now()
	due := g.names.due(g.names.wanted(g.has, now), now)
	if len(due) == 0 {
		return nil
	}
	if err := g.live.Learn(ctx, due); err != nil {
		return err
	}
	g.names.wrote(due, now)
	return nil
}

// has says whether the ruleset that is to be in force has a set.
func (g *Guard) has(set string) bool {
	return slices.ContainsFunc(g.want.Sets, func(s firewall.Set) bool { return s.Name == set })
}

// taught is a ruleset with the addresses of its names in it, and what to do when it was written.
func (g *Guard) taught(r firewall.Ruleset) (firewall.Ruleset, func()) {
	now := time.Now()
	there := func(set string) bool {
		return slices.ContainsFunc(r.Sets, func(s firewall.Set) bool { return s.Name == set })
	}
	wanted := g.names.wanted(there, now)
	return withLearned(r, wanted, now), func() { g.names.rewrote(wanted, there) }
}

// write puts a ruleset in force, with the addresses of its names. What the kernel held in their sets before the first time
// is adopted.
func (g *Guard) write(ctx context.Context, r firewall.Ruleset) (kernel.Dump, error) {
	taught, written := g.taught(r)
	golden, err := g.live.ApplyRehearsed(ctx, taught)
	if err != nil {
		return golden, err
	}
	written()
	if g.names.adopted == nil {
		g.names.adopt(golden.Learned(), time.Now())
	}
	return golden, nil
}

// Taught is a ruleset with the addresses of its policy's names in its sets, for who puts it in force without a guard.
func Taught(p firewall.Policy, r firewall.Ruleset, answers []Answer) firewall.Ruleset {
	var n names
	n.expect(firewall.LearnedSets(p))
	own, now := ownAddresses(), time.Now()
	for _, a := range answers {
		n.learn(a, own, now)
	}
	return withLearned(r, n.wanted(func(string) bool { return true }, now), now)
}

// keepNames puts back what somebody else took out of the sets of names, and takes out what somebody put there. The other
// looks pass it by: what expires is no part of the ruleset. It returns the result of the look where there was nothing.
func (g *Guard) keepNames(ctx context.Context, dump kernel.Dump, seen check.Result, now time.Time) check.Result {
	if g.names.adopted == nil { // nothing was written yet
		g.names.adopt(dump.Learned(), now)
	}
	mend := g.names.astray(dump.Learned(), now)
	if len(mend) == 0 {
		if err := g.teach(ctx); err != nil {
			g.log.Log(ctx, slog.LevelWarn, "addresses of names cannot be told to the kernel", "err", err)
		}
		return seen
	}
	found := check.Result{Status: check.Fail, Cause: check.FirewallDrift, Evidence: seen.Evidence, Detail: astrayWords(mend)}
	g.blame.accuse(g.news.upTo(dump.Generation()), now, false)
	exposed := g.blame.exposed(time.Now())
	if err := g.live.Learn(ctx, mend); err != nil {
		return g.failed(ctx, found, err, now)
	}
	g.names.wrote(mend, now)
	g.repairs.Add(1)
	g.tried(now)
	found = g.blame.on(found, exposed)
	g.logRepair(ctx, slog.LevelWarn, "repaired the addresses of names", now, found)
	after := g.blame.after(exposed)
	g.blame = blame{}
	return repairedResult(found, after, g.repaired)
}

// astray is what to do about sets of names that hold something else than they were told. Those that no name has are not
// looked at: they are somebody else's.
func (n *names) astray(held []kernel.Learned, now time.Time) []kernel.Learned {
	ours := map[string]bool{}
	for _, sets := range n.sets {
		for _, set := range slices.Concat(sets.V4, sets.V6) {
			ours[set] = true
		}
	}
	var mend []kernel.Learned
	there := map[string]map[netip.Addr]bool{}
	for _, l := range held {
		if there[l.Set] == nil {
			there[l.Set] = map[netip.Addr]bool{}
		}
		there[l.Set][l.Addr] = true
		_, told := n.written[l.Set][l.Addr]
		_, adopted := n.adopted[l.Set][l.Addr]
		if ours[l.Set] && !told && !adopted {
			mend = append(mend, kernel.Learned{Set: l.Set, Addr: l.Addr})
		}
	}
	for set, told := range n.written {
		for addr, until := range told {
			if left := until.Sub(now); ours[set] && left > aboutToExpire && !there[set][addr] {
				mend = append(mend, kernel.Learned{Set: set, Addr: addr, Timeout: left})
			}
		}
	}
	slices.SortFunc(mend, compareLearned)
	return mend
}

// astrayWords says what was astray, the first of it.
func astrayWords(mend []kernel.Learned) string {
	verb := "has too much"
	if mend[0].Timeout > 0 {
		verb = "lacks"
	}
	text := fmt.Sprintf("the addresses of names differ from those learned: set %s %s %s", mend[0].Set, verb, mend[0].Addr)
	if more := len(mend) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// ownAddresses says which addresses are this host's own. Where they cannot be read none is: a packet to one goes by
// loopback in any case.
func ownAddresses() func(netip.Addr) bool {
	own, _ := sockets.OwnAddresses()
	return func(a netip.Addr) bool { return own[a] }
}
