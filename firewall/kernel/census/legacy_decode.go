package census

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
)

// legacyLayout is where things lie in struct ipt_entry or ip6t_entry.
type legacyLayout struct {
	address  int // bytes of one
	names    int // the name of the interface it came in by; then that it leaves by; then a mask for each
	protocol int
	flags    int
	gotoFlag byte // among the flags (IPT_F_GOTO, IP6T_F_GOTO)
	inverted int
	target   int // offsets of the target and of the next entry, 16 bits each
	header   int // of the entry: what follows are matches
}

func layout4() legacyLayout {
	return legacyLayout{address: 4, names: 16, protocol: 80, flags: 82, gotoFlag: 2, inverted: 83, target: 88, header: 112}
}

func layout6() legacyLayout {
	return legacyLayout{
		address: 16, names: 64, protocol: 128, flags: 131, gotoFlag: 4, inverted: 132, target: 140, header: 168,
	}
}

// legacyTable is struct ipt_getinfo: where each hook's rules begin and where its policy stands.
type legacyTable struct {
	hooks   uint32 // a bit for each
	entries [legacyHooks]uint32
	polices [legacyHooks]uint32
	size    uint32
}

var errUnreadable = errors.New("malformed table of legacy iptables")

const (
	legacyHooks    = 5
	legacyInfoSize = legacyTableName + 4 + 4*legacyHooks + 4*legacyHooks + 4 + 4
	legacyMatch    = 32      // struct xt_entry_match and xt_entry_target: size, name of 29 bytes, revision
	maxLegacy      = 1 << 16 // entries of one table that are read
)

func decodeLegacyInfo(b []byte) (legacyTable, error) {
	if len(b) < legacyInfoSize {
		return legacyTable{}, fmt.Errorf("%w: %d bytes", errUnreadable, len(b))
	}
	number := func(i int) uint32 { return binary.NativeEndian.Uint32(b[legacyTableName+4*i:]) }
	t := legacyTable{hooks: number(0), size: number(2 + 2*legacyHooks)}
	for i := range legacyHooks {
		t.entries[i], t.polices[i] = number(1+i), number(1+legacyHooks+i)
	}
	return t, nil
}

// legacyRules is a table while its entries are read.
type legacyRules struct {
	family byte
	layout legacyLayout
	names  map[uint32]string // of the chains, by the offset of their first rule
	policy map[uint32]*firewall.Hook
	table  Table

	current int // the chain that is being read; below 0 before any
}

// decodeLegacy reads the entries of a table. They stand one behind the other: each base chain's rules end with its policy,
// and each further chain begins with an ERROR target that has its name. A jump is the offset of a chain's first rule.
func decodeLegacy(family byte, name string, layout legacyLayout, info legacyTable, b []byte) (Table, error) {
	l := legacyRules{
		family: family, layout: layout, names: make(map[uint32]string), policy: make(map[uint32]*firewall.Hook),
		table:   Table{Family: FamilyName(family), Name: Visible(name), Legacy: true},
		current: -1,
	}
	l.base(name, info)
	if err := l.each(b, l.chainAt); err != nil {
		return Table{}, err
	}
	if err := l.each(b, l.rule); err != nil {
		return Table{}, err
	}
	l.table.Chains = slices.DeleteFunc(l.table.Chains, func(c Chain) bool { return c.Name == legacyEnd })
	return l.table, nil
}

// legacyEnd is the target that begins a chain, and what the one at the end of a table calls its chain.
const legacyEnd = "ERROR"

// base notes where the base chains begin and end.
func (l *legacyRules) base(table string, info legacyTable) {
	upper := [...]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}
	for i := range legacyHooks {
		if info.hooks&(1<<i) == 0 {
			continue
		}
		hook := &firewall.Hook{Name: strings.ToLower(upper[i]), Priority: legacyPriority(table, i)}
		if table == "nat" {
			hook.Type = "nat"
		}
		l.names[info.entries[i]] = upper[i]
		l.policy[info.polices[i]] = hook
		l.table.Chains = append(l.table.Chains, Chain{Name: upper[i], Hook: hook})
	}
}

// legacyPriority is where a table hangs (enum nf_ip_hook_priorities, linux/netfilter_ipv4.h).
func legacyPriority(table string, hook int) int32 {
	switch table {
	case "raw":
		return -300
	case "mangle":
		return -150
	case "security":
		return 50
	case "nat":
		if hook == unix.NF_INET_LOCAL_IN || hook == unix.NF_INET_POST_ROUTING {
			return 100
		}
		return -100
	default:
		return 0
	}
}

// each passes on the entries.
func (l *legacyRules) each(b []byte, f func(at uint32, entry []byte) error) error {
	for at, n := 0, 0; at < len(b); n++ {
		if len(b)-at < l.layout.header || n == maxLegacy {
			return fmt.Errorf("%w: entry %d at %d of %d bytes", errUnreadable, n, at, len(b))
		}
		target := int(binary.NativeEndian.Uint16(b[at+l.layout.target:]))
		next := int(binary.NativeEndian.Uint16(b[at+l.layout.target+2:]))
		if target < l.layout.header || next < target+legacyMatch || next > len(b)-at {
			return fmt.Errorf("%w: entry %d: target at %d, next at %d", errUnreadable, n, target, next)
		}
		if err := f(uint32(at), b[at:at+next]); err != nil {
			return err
		}
		at += next
	}
	return nil
}

func (l *legacyRules) targetOf(entry []byte) (name string, revision uint64, info []byte) {
	at := int(binary.NativeEndian.Uint16(entry[l.layout.target:]))
	return attribute.Text(entry[at+2 : at+31]), uint64(entry[at+31]), entry[at+legacyMatch:]
}

// chainAt notes the chains that are no base chains.
func (l *legacyRules) chainAt(at uint32, entry []byte) error {
	name, _, info := l.targetOf(entry)
	if name != legacyEnd {
		return nil
	}
	chain := Visible(attribute.Text(info))
	l.names[at+uint32(len(entry))] = chain
	l.table.Chains = append(l.table.Chains, Chain{Name: chain})
	return nil
}

// rule puts an entry into the chain that it is of: the last that began before it.
func (l *legacyRules) rule(at uint32, entry []byte) error {
	if name, begins := l.names[at]; begins {
		l.current = slices.IndexFunc(l.table.Chains, func(c Chain) bool { return c.Name == name })
	}
	name, revision, info := l.targetOf(entry)
	if name == legacyEnd || l.current < 0 {
		return nil
	}
	chain := &l.table.Chains[l.current]
	steps := l.conditions(entry)
	if name != "" {
		steps = append(steps, XTTarget(l.family, name, revision, info))
	} else {
		steps = append(steps, l.standard(at, entry, info))
	}
	if hook := l.policy[at]; hook != nil && hook == chain.Hook {
		v, _ := steps[len(steps)-1].Word.(firewall.Verdict)
		hook.Drop = v.Kind == firewall.Drop
		return nil
	}
	chain.Rules = append(chain.Rules, Rule{Handle: uint64(len(chain.Rules) + 1), Steps: steps})
	return nil
}

// standard reads the verdict of a standard target: a number below 0 is one of netfilter's, all others are where to jump to
// (translate_table, net/ipv4/netfilter/ip_tables.c). A rule without a target leads to the next one.
func (l *legacyRules) standard(at uint32, entry, info []byte) Step {
	const toDrop, toAccept, toQueue, toReturn = -1, -2, -4, -5
	if len(info) < 4 {
		return StepOf(StepUnknown, "verdict")
	}
	verdict := int32(binary.NativeEndian.Uint32(info))
	kind := firewall.Jump
	switch {
	case verdict >= 0 && uint32(verdict) == at+uint32(len(entry)):
		return StepOf(StepPass, "")
	case verdict >= 0:
		if entry[l.layout.flags]&l.layout.gotoFlag != 0 {
			kind = firewall.Goto
		}
		return Worded(StepVerdict, firewall.Verdict{Kind: kind, Chain: l.names[uint32(verdict)]})
	case verdict == toQueue:
		return StepOf(StepQueue, "queue")
	}
	kind = map[int32]firewall.VerdictKind{
		toDrop: firewall.Drop, toAccept: firewall.Accept, toReturn: firewall.Return,
	}[verdict]
	if kind == 0 {
		return StepOf(StepUnknown, "verdict")
	}
	return Worded(StepVerdict, firewall.Verdict{Kind: kind})
}

// Bits that invert a condition (IPT_INV_*, the same for IPv6).
const (
	invertIn       = 0x01
	invertOut      = 0x02
	invertSource   = 0x08
	invertDest     = 0x10
	invertFragment = 0x20
	invertProtocol = 0x40
)

// conditions are those of the entry itself and of its matches.
func (l *legacyRules) conditions(entry []byte) []Step {
	inverted := entry[l.layout.inverted]
	fields := [2]firewall.Field{firewall.IPSaddr, firewall.IPDaddr}
	if l.family == unix.NFPROTO_IPV6 {
		fields = [2]firewall.Field{firewall.IP6Saddr, firewall.IP6Daddr}
	}
	var steps []Step
	n := l.layout.address
	for i, field := range fields {
		not := inverted&[...]byte{invertSource, invertDest}[i] != 0
		steps = append(steps, maskedAddress(field, not, entry[i*n:(i+1)*n], entry[(2+i)*n:(3+i)*n])...)
	}
	const name, fragment = unix.IFNAMSIZ, 1
	for i, field := range []firewall.Field{firewall.MetaIIFName, firewall.MetaOIFName} {
		at := l.layout.names + i*name
		not := inverted&[...]byte{invertIn, invertOut}[i] != 0
		steps = append(steps, maskedName(field, not, entry[at:at+name], entry[at+2*name:at+3*name])...)
	}
	if protocol := binary.NativeEndian.Uint16(entry[l.layout.protocol:]); protocol != 0 {
		steps = append(steps, numberStep(firewall.MetaL4Proto, inverted&invertProtocol != 0, firewall.Number(protocol)))
	}
	if l.family == unix.NFPROTO_IPV4 && (entry[l.layout.flags]&fragment != 0 || inverted&invertFragment != 0) {
		steps = append(steps, StepOf(StepCondition, "fragment"))
	}
	return append(steps, l.matches(entry)...)
}

// matches are what stands between the entry's header and its target.
func (l *legacyRules) matches(entry []byte) []Step {
	var steps []Step
	end := int(binary.NativeEndian.Uint16(entry[l.layout.target:]))
	for at := l.layout.header; at+legacyMatch <= end; {
		size := int(binary.NativeEndian.Uint16(entry[at:]))
		if size < legacyMatch || size > end-at {
			return append(steps, StepOf(StepCondition, "unreadable match"))
		}
		steps = append(steps, XTMatch(l.family, attribute.Text(entry[at+2:at+31]), uint64(entry[at+31]),
			entry[at+legacyMatch:at+size])...)
		at += size
	}
	return steps
}

// empty says that a mask has no bit.
func empty(mask []byte) bool { return !slices.ContainsFunc(mask, func(b byte) bool { return b != 0 }) }

// maskedAddress is the condition of an address under a mask; none where the mask is empty.
func maskedAddress(field firewall.Field, not bool, address, mask []byte) []Step {
	if empty(mask) && !not {
		return nil
	}
	last, ok := lastUnder(address, mask)
	if !ok {
		return []Step{StepOf(StepCondition, field.String()+" under a mask")}
	}
	from, _ := netip.AddrFromSlice(address)
	to, _ := netip.AddrFromSlice(last)
	return []Step{Worded(StepMatch,
		firewall.Match{Field: field, Not: not, Values: []firewall.Value{firewall.Addrs{From: from, To: to}}})}
}

// lastUnder is the last address of the prefix that begins with one; false where the mask has ones after zeros, or the
// address has bits that it leaves out.
func lastUnder(address, mask []byte) (last []byte, ok bool) {
	if _, size := net.IPMask(mask).Size(); size == 0 {
		return nil, false
	}
	last = slices.Clone(address)
	for i := range last {
		if last[i]&^mask[i] != 0 {
			return nil, false
		}
		last[i] |= ^mask[i]
	}
	return last, true
}

// maskedName is the condition of an interface's name; one whose mask ends before its NUL stands for all that begin so.
func maskedName(field firewall.Field, not bool, name, mask []byte) []Step {
	if empty(mask) && !not {
		return nil
	}
	text := attribute.Text(name)
	if n := bytes.IndexByte(mask, 0); n >= 0 && n <= len(text) {
		text = text[:n] + "*"
	}
	return []Step{Worded(StepMatch,
		firewall.Match{Field: field, Not: not, Values: []firewall.Value{firewall.Name(Visible(text))}})}
}
