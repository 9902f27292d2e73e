package kernel

import (
	"bytes"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/encode"
)

// From linux/netfilter/nf_tables.h, which package unix lacks.
const (
	nftaChainFlags = 10
	chainBase      = 1 // NFT_CHAIN_BASE
	chainBinding   = 4 // NFT_CHAIN_BINDING
)

// transaction queues what brings one table from what it holds to a ruleset.
type transaction struct {
	nft     *nftables.Conn
	table   *nftables.Table
	live    rawTable
	absent  bool // there is no table
	rebuild bool // keep nothing but the base chains
	own     bool // a table that is not there is made with the flags owner and persist

	counted map[string]Count // what counters that are added begin with, by name

	sets map[string]*nftables.Set // of the ruleset, by name
	full map[string]bool          // sets that hold their elements already, but for what is missing

	missing map[string][]nftables.SetElement

	prepared map[string]bool // sets that an earlier stage made and filled
}

func newTransaction(nft *nftables.Conn, o order, live rawTable) *transaction {
	return &transaction{
		nft: nft, table: &nftables.Table{Family: nftables.TableFamilyINet, Name: o.table}, live: live,
		absent: live.source.Table == nil, rebuild: o.rebuild, own: o.own,
		sets: make(map[string]*nftables.Set), full: make(map[string]bool),
		missing: make(map[string][]nftables.SetElement),
	}
}

// content queues everything, in the one order that the kernel takes: rules go first, since they hold on to chains, sets,
// counters and flowtables; maps go before the chains and counters that their elements hold on to; then everything is
// added, what is held on to before what holds. It returns true when the flag dormant has to be set or cleared in a
// transaction of its own: the kernel refuses to do so in one that adds or deletes a base chain (kernel 6.9,
// nft_table_pending_update and its like), and the rules must be right before the hooks come alive.
func (t *transaction) content(code encode.Code) (toggle bool) {
	dormant := code.Ruleset.Dormant
	switch {
	case t.absent:
		t.addTable(dormant)
	default:
		toggle = dormant != (t.live.flags&unix.NFT_TABLE_F_DORMANT != 0)
		if toggle && !t.changesBaseChains(code.Ruleset) {
			t.setDormant(dormant)
			toggle = false
		}
		t.nft.FlushTable(t.table)
	}
	t.removeSets(code)
	t.removeChains(code.Ruleset)
	t.removeFlowtables()
	t.addCounters(t.removeObjects(code.Ruleset.Counters))
	t.addSets(code)
	t.addChains(code.Ruleset)
	t.addRules(code)
	return toggle
}

// addTable queues a table that is not there. Its flags are those of this message only: a second one with the owner flag
// would be an attempt to take it from somebody.
func (t *transaction) addTable(dormant bool) {
	fresh := *t.table
	if t.own {
		fresh.Flags |= ownerFlags
	}
	if dormant {
		fresh.Flags |= nftables.TableFlagDormant
	}
	t.nft.AddTable(&fresh)
}

// setDormant queues a change of the flag alone: owner and persist stay as they are.
func (t *transaction) setDormant(dormant bool) {
	flags := nftables.TableFlags(t.live.flags)
	if dormant {
		flags |= nftables.TableFlagDormant
	} else {
		flags &^= nftables.TableFlagDormant
	}
	t.nft.AddTable(&nftables.Table{Family: t.table.Family, Name: t.table.Name, Flags: flags})
}

// removeChains deletes chains that the ruleset has not, and those whose place is another: a chain cannot be moved.
func (t *transaction) removeChains(r firewall.Ruleset) {
	for _, live := range t.live.chains {
		if live.attrs.NumberOr0(nftaChainFlags)&chainBinding != 0 {
			continue // it belonged to a rule, and went with it
		}
		if want, ok := chainNamed(r, live.name); !ok || !samePlace(live, want) || (t.rebuild && want.Hook == nil) {
			t.nft.DelChain(&nftables.Chain{Table: t.table, Name: live.name})
		}
	}
}

func chainNamed(r firewall.Ruleset, name string) (firewall.Chain, bool) {
	i := slices.IndexFunc(r.Chains, func(c firewall.Chain) bool { return c.Name == name })
	if i < 0 {
		return firewall.Chain{}, false
	}
	return r.Chains[i], true
}

// samePlace says whether a live chain is where the wanted one is: both regular, or both at the same hook and priority.
// The policy may differ: it can be changed in place.
func samePlace(live rawChain, want firewall.Chain) bool {
	if want.Hook == nil {
		return !live.attrs.Has(unix.NFTA_CHAIN_HOOK)
	}
	hook, err := live.attrs.Nested(unix.NFTA_CHAIN_HOOK)
	if err != nil || len(hook) == 0 {
		return false
	}
	flags := live.attrs.NumberOr0(nftaChainFlags)
	priority := uint32(hook.NumberOr0(unix.NFTA_HOOK_PRIORITY))
	return live.attrs.Text(unix.NFTA_CHAIN_TYPE) == chainType(want.Hook) && flags == chainBase &&
		hook.NumberOr0(unix.NFTA_HOOK_HOOKNUM) == uint64(*hookNumber(want.Hook.Name)) &&
		int32(priority) == want.Hook.Priority
}

// changesBaseChains says whether any base chain is added, deleted or changed.
func (t *transaction) changesBaseChains(r firewall.Ruleset) bool {
	for _, live := range t.live.chains {
		want, ok := chainNamed(r, live.name)
		if live.attrs.Has(unix.NFTA_CHAIN_HOOK) && (!ok || !samePlace(live, want) || !samePolicy(live, want)) {
			return true
		}
	}
	return slices.ContainsFunc(r.Chains, func(c firewall.Chain) bool { return c.Hook != nil && !t.hasChain(c) })
}

func samePolicy(live rawChain, want firewall.Chain) bool {
	return live.attrs.NumberOr0(unix.NFTA_CHAIN_POLICY) == uint64(*policyNumber(want.Hook))
}

// hasChain says whether the chain is there and stays.
func (t *transaction) hasChain(want firewall.Chain) bool {
	return slices.ContainsFunc(t.live.chains, func(live rawChain) bool {
		return live.name == want.Name && samePlace(live, want) && (want.Hook != nil || !t.rebuild)
	})
}

func (t *transaction) removeFlowtables() {
	for _, f := range t.live.flowtables {
		t.nft.DelFlowtable(&nftables.Flowtable{Table: t.table, Name: f.Text(nftaFlowtableName)})
	}
}

// removeObjects deletes objects that the ruleset has not, and returns the counters that are still to be added: those that
// are there keep what they have counted.
func (t *transaction) removeObjects(counters []string) (missing []string) {
	missing = slices.Clone(counters)
	for _, live := range t.live.objects {
		i := slices.Index(missing, live.name)
		if i >= 0 && live.kind == unix.NFT_OBJECT_COUNTER {
			missing = slices.Delete(missing, i, i+1)
			continue
		}
		t.nft.DeleteObject(&nftables.NamedObj{Table: t.table, Name: live.name, Type: nftables.ObjType(live.kind)})
	}
	return missing
}

func (t *transaction) addCounters(names []string) {
	for _, name := range names {
		t.nft.AddObj(&nftables.NamedObj{
			Table: t.table, Name: name, Type: nftables.ObjTypeCounter,
			Obj: &expr.Counter{Packets: t.counted[name].Packets, Bytes: t.counted[name].Bytes},
		})
	}
}

func (t *transaction) addChains(r firewall.Ruleset) {
	for _, c := range r.Chains {
		chain := &nftables.Chain{Table: t.table, Name: c.Name}
		if c.Hook == nil {
			if !t.hasChain(c) {
				t.nft.AddChain(chain)
			}
			continue
		}
		live := slices.IndexFunc(t.live.chains, func(l rawChain) bool { return l.name == c.Name })
		if live >= 0 && t.hasChain(c) && samePolicy(t.live.chains[live], c) {
			continue
		}
		priority := nftables.ChainPriority(c.Hook.Priority)
		chain.Hooknum, chain.Priority = hookNumber(c.Hook.Name), &priority
		chain.Type, chain.Policy = nftables.ChainType(chainType(c.Hook)), policyNumber(c.Hook)
		t.nft.AddChain(chain)
	}
}

func (t *transaction) addRules(code encode.Code) {
	for _, rule := range code.Rules {
		for _, a := range rule.Anonymous {
			set := *a.Spec
			set.Table = t.table
			_ = t.nft.AddSet(&set, a.Elements) // its error comes back from the flush
			a.Lookup.SetName, a.Lookup.SetID = set.Name, set.ID
		}
		for _, e := range rule.Exprs {
			t.nameSet(e)
		}
		t.nft.AddRule(&nftables.Rule{
			Table: t.table, Chain: &nftables.Chain{Table: t.table, Name: rule.Chain},
			Exprs: rule.Exprs, UserData: bytes.Clone(rule.Userdata),
		})
	}
}

// nameSet gives a reference to a named set the id under which this transaction adds it; 0 where it was there before.
func (t *transaction) nameSet(e expr.Any) {
	switch e := e.(type) {
	case *expr.Lookup:
		if set := t.sets[e.SetName]; set != nil {
			e.SetID = set.ID
		}
	case *expr.Dynset:
		if set := t.sets[e.SetName]; set != nil {
			e.SetID = set.ID
		}
	}
}

func chainType(h *firewall.Hook) string {
	if h.Type == "" {
		return string(nftables.ChainTypeFilter)
	}
	return h.Type
}

func hookNumber(name string) *nftables.ChainHook {
	numbers := map[string]*nftables.ChainHook{
		"prerouting": nftables.ChainHookPrerouting, "input": nftables.ChainHookInput,
		"forward": nftables.ChainHookForward, "output": nftables.ChainHookOutput,
		"postrouting": nftables.ChainHookPostrouting,
	}
	if number, ok := numbers[name]; ok {
		return number
	}
	return nftables.ChainHookRef(unix.NF_INET_NUMHOOKS) // which the kernel refuses
}

func policyNumber(h *firewall.Hook) *nftables.ChainPolicy {
	policy := nftables.ChainPolicyAccept
	if h.Drop {
		policy = nftables.ChainPolicyDrop
	}
	return &policy
}
