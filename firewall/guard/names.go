package guard

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// What is believed of a name.
const (
	// shortestTTL and longestTTL bound the TTL of an answer: programs do not look up a name for each packet, and a week is
	// longer than a server keeps an address.
	shortestTTL = time.Minute
	longestTTL  = 24 * time.Hour
	// overlap is for how long an address is let out after its TTL: programs hold on to addresses, a JVM for good, and a
	// resolver may be away for a while.
	overlap = time.Hour
	// slack is how much of that time may pass before the kernel is told of more: not at each answer.
	slack = overlap / 4
	// adoption is for how long a guard that begins leaves what an earlier one learned, until it is told again.
	adoption = 2 * time.Minute
	// maxAddresses is how many addresses one name may have at a time.
	maxAddresses = 64
	// maxRefused is how many refused addresses of one name are remembered.
	maxRefused = 8
)

// Answer is what a resolver says of a name.
type Answer struct {
	Name      string
	Addresses []Address

	// Own says that this host's own files say so, and nobody who answered a question: then only loopback is refused. A
	// resolver may well be at a link-local address, and in some clouds it is the metadata service.
	Own bool
}

// Address is an address of a name, with the time for which the answer may be kept.
type Address struct {
	Addr netip.Addr
	TTL  time.Duration
}

// RefusedAddress is an address that a name has and that is not let out for it.
type RefusedAddress struct {
	Name string
	Addr netip.Addr
	Why  string
}

// names is what is known of the names of a policy: where they lead, and until when that is let out. Its methods are pure
// but for what they keep; the zero value knows no name.
type names struct {
	sets    map[string]firewall.NameSets        // of each name that may be learned
	until   map[string]map[netip.Addr]time.Time // by name
	refused map[string]map[netip.Addr]string    // by name: why not
	written map[string]map[netip.Addr]time.Time // by set: what the kernel was told
	adopted map[string]map[netip.Addr]time.Time // by set: what it held before this guard, until when that is left alone
}

// expect replaces the names that may be learned. What is known of one that stays is kept.
func (n *names) expect(sets map[string]firewall.NameSets) {
	gone := func(name string) bool { _, ok := sets[name]; return !ok }
	maps.DeleteFunc(n.until, func(name string, _ map[netip.Addr]time.Time) bool { return gone(name) })
	maps.DeleteFunc(n.refused, func(name string, _ map[netip.Addr]string) bool { return gone(name) })
	n.sets = sets
}

// learn takes an answer: which of its addresses are let out until when is kept, and those that are not are returned. An
// answer never shortens the time of an address. A name that the policy has not is passed by.
func (n *names) learn(a Answer, own func(netip.Addr) bool, now time.Time) []RefusedAddress {
	if _, ok := n.sets[a.Name]; !ok {
		return nil
	}
	if n.until == nil {
		n.until, n.refused = map[string]map[netip.Addr]time.Time{}, map[string]map[netip.Addr]string{}
	}
	known := n.until[a.Name]
	if known == nil {
		known = map[netip.Addr]time.Time{}
		n.until[a.Name] = known
	}
	maps.DeleteFunc(known, func(_ netip.Addr, until time.Time) bool { return !until.After(now) })
	var refused []RefusedAddress
	for _, address := range a.Addresses {
		addr := address.Addr.Unmap()
		why := inside(addr, own)
		if a.Own && !addr.IsLoopback() && !addr.IsUnspecified() {
			why = ""
		}
		if why == "" {
			until := now.Add(min(max(address.TTL, shortestTTL), longestTTL) + overlap)
			why = keep(known, addr, until, a)
		}
		if why != "" {
			refused = append(refused, RefusedAddress{Name: a.Name, Addr: addr, Why: why})
		}
	}
	n.remember(a.Name, refused)
	return refused
}

// keep gives an address its time. Where the name has too many, one that the answer has not makes room, the one whose time
// ends first.
func keep(known map[netip.Addr]time.Time, addr netip.Addr, until time.Time, a Answer) (why string) {
	if before, ok := known[addr]; ok || len(known) < maxAddresses {
		if until.After(before) {
			known[addr] = until
		}
		return ""
	}
	answered := func(addr netip.Addr) bool {
		return slices.ContainsFunc(a.Addresses, func(b Address) bool { return b.Addr.Unmap() == addr })
	}
	var oldest netip.Addr
	for other, ends := range known {
		if !answered(other) && (!oldest.IsValid() || ends.Before(known[oldest])) {
			oldest = other
		}
	}
	if !oldest.IsValid() {
		return "more than 64 addresses"
	}
	delete(known, oldest)
	known[addr] = until
	return ""
}

// remember keeps which addresses of a name the latest answer was refused.
func (n *names) remember(name string, refused []RefusedAddress) {
	if len(refused) == 0 {
		delete(n.refused, name)
		return
	}
	why := map[netip.Addr]string{}
	for _, r := range refused[:min(len(refused), maxRefused)] {
		why[r.Addr] = r.Why
	}
	n.refused[name] = why
}

// inside says what an address is that no name of the policy may lead to, in words that fit after "it is"; empty for one
// that may. An answer that points inside would open a way from the host to itself, to its own link, or to the credentials
// that clouds hand out at such addresses.
func inside(addr netip.Addr, own func(netip.Addr) bool) string {
	switch {
	case !addr.IsValid() || addr.Zone() != "":
		return "no address"
	case addr.IsUnspecified():
		return "the unspecified address"
	case addr.IsLoopback():
		return "a loopback address"
	case slices.Contains(metadata(), addr):
		return "an address of a cloud's metadata service"
	case addr.IsLinkLocalUnicast():
		return "a link-local address"
	case addr.IsMulticast(), addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "an address of many"
	case own(addr):
		return "an address of this host"
	}
	return ""
}

// metadata are the addresses at which clouds hand out credentials and settings of the host: the one that most have, Amazon's
// and Google's by IPv6, Alibaba's, Oracle's, Azure's.
func metadata() []netip.Addr {
	return []netip.Addr{
		netip.AddrFrom4([4]byte{169, 254, 169, 254}),
		netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"),
		netip.AddrFrom4([4]byte{100, 100, 100, 200}), netip.AddrFrom4([4]byte{192, 0, 0, 192}),
		netip.AddrFrom4([4]byte{168, 63, 129, 16}),
	}
}

// wanted is what each of the sets that there are should hold now, and until when.
func (n *names) wanted(there func(set string) bool, now time.Time) map[string]map[netip.Addr]time.Time {
	wanted := map[string]map[netip.Addr]time.Time{}
	for name, known := range n.until {
		for addr, until := range known {
			sets := n.sets[name].V4
			if addr.Is6() {
				sets = n.sets[name].V6
			}
			for _, set := range sets {
				if !until.After(now) || !there(set) {
					continue
				}
				if wanted[set] == nil {
					wanted[set] = map[netip.Addr]time.Time{}
				}
				if until.After(wanted[set][addr]) {
					wanted[set][addr] = until
				}
			}
		}
	}
	for _, held := range wanted {
		bound(held)
	}
	return wanted
}

// due is what the kernel is still to be told of what is wanted, in order: what it does not have, what it has for a shorter
// time, and what it holds that is not wanted any more.
func (n *names) due(wanted map[string]map[netip.Addr]time.Time, now time.Time) []kernel.Learned {
	var due []kernel.Learned
	for set, held := range wanted {
		for addr, until := range held {
			if until.Sub(n.written[set][addr]) > slack {
				due = append(due, kernel.Learned{Set: set, Addr: addr, Timeout: until.Sub(now)})
			}
		}
	}
	for set, held := range n.written {
		for addr, until := range held {
			if _, ok := wanted[set][addr]; !ok && until.After(now) {
				due = append(due, kernel.Learned{Set: set, Addr: addr})
			}
		}
	}
	for set, held := range n.adopted {
		for addr, until := range held {
			if _, ok := wanted[set][addr]; !ok && !until.After(now) {
				due = append(due, kernel.Learned{Set: set, Addr: addr})
			}
		}
	}
	slices.SortFunc(due, compareLearned)
	return due
}

// adopt takes over what the kernel holds in the sets of names.
func (n *names) adopt(held []kernel.Learned, now time.Time) {
	n.adopted = map[string]map[netip.Addr]time.Time{}
	for _, l := range held {
		if n.adopted[l.Set] == nil {
			n.adopted[l.Set] = map[netip.Addr]time.Time{}
		}
		n.adopted[l.Set][l.Addr] = now.Add(min(l.Timeout, adoption))
	}
}

func compareRefused(a, b RefusedAddress) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), a.Addr.Compare(b.Addr))
}

func compareLearned(a, b kernel.Learned) int {
	return cmp.Or(cmp.Compare(a.Set, b.Set), a.Addr.Compare(b.Addr))
}

// bound takes from a set those whose time ends first, until it fits into the kernel's.
func bound(held map[netip.Addr]time.Time) {
	if len(held) <= firewall.MaxLearned {
		return
	}
	addrs := slices.SortedFunc(maps.Keys(held), func(a, b netip.Addr) int {
		return cmp.Or(held[b].Compare(held[a]), a.Compare(b))
	})
	for _, addr := range addrs[firewall.MaxLearned:] {
		delete(held, addr)
	}
}

// wrote notes what the kernel was told.
func (n *names) wrote(told []kernel.Learned, now time.Time) {
	if n.written == nil {
		n.written = map[string]map[netip.Addr]time.Time{}
	}
	for _, l := range told {
		if n.written[l.Set] == nil {
			n.written[l.Set] = map[netip.Addr]time.Time{}
		}
		delete(n.adopted[l.Set], l.Addr)
		n.written[l.Set][l.Addr] = now.Add(l.Timeout) // now, and so gone below, where it was taken out
	}
	for _, held := range n.written {
		maps.DeleteFunc(held, func(_ netip.Addr, until time.Time) bool { return !until.After(now) })
	}
}

// rewrote notes that a ruleset was written with what is wanted in its sets. A set of which nothing is wanted kept what it
// held.
func (n *names) rewrote(wanted map[string]map[netip.Addr]time.Time, there func(set string) bool) {
	maps.DeleteFunc(n.written, func(set string, _ map[netip.Addr]time.Time) bool { return !there(set) })
	if n.written == nil {
		n.written = map[string]map[netip.Addr]time.Time{}
	}
	for set, held := range wanted {
		n.written[set] = maps.Clone(held)
		delete(n.adopted, set)
	}
}

// withLearned is the ruleset with what is known in its sets, so that the transaction that writes it leaves no moment in
// which a name leads nowhere.
func withLearned(r firewall.Ruleset, wanted map[string]map[netip.Addr]time.Time, now time.Time) firewall.Ruleset {
	r.Sets = slices.Clone(r.Sets)
	for i := range r.Sets {
		held := wanted[r.Sets[i].Name]
		if len(held) == 0 {
			continue
		}
		elements := make([]firewall.Element, 0, len(held))
		for _, addr := range slices.SortedFunc(maps.Keys(held), netip.Addr.Compare) {
			elements = append(elements, firewall.Element{
				Key: []firewall.Value{firewall.Addrs{From: addr, To: addr}}, Timeout: held[addr].Sub(now),
			})
		}
		r.Sets[i].Elements = elements
	}
	return r
}
