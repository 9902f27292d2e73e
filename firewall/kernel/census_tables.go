package kernel

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
	"sallyport/firewall/kernel/census"
)

const (
	censusBytes = 64 << 20 // of all answers; what Docker and kube-proxy write on a large host are a few MiB
	censusSet   = 4 << 20  // of one set's elements, some 65,000: of a larger one the content is not looked at
)

// place is a table among all families.
type place struct {
	family byte
	name   string
}

// rawTables are the tables of others, undecoded but for their names, in the order in which they came.
type rawTables struct {
	generation uint32
	order      []place
	parts      map[place]*snapshot
	large      map[place][]string // sets that are larger than is looked at
}

// takeTables reads all tables that are not ours, of one generation.
func takeTables(ctx context.Context) (census.Census, error) {
	reader := &Conn{} // one that only reads
	defer func() { _ = reader.closeReader() }()
	var last error
	for try := range snapshotTries {
		if err := pause(ctx, time.Duration(try)*snapshotPause); err != nil {
			return census.Census{}, err
		}
		raw, err := reader.tryTables(ctx, censusSet)
		if err == nil {
			return decodeTables(raw), nil
		}
		if !transient(err) {
			return census.Census{}, err
		}
		last = err
	}
	return census.Census{}, fmt.Errorf("%w: gave up after %d tries: %w", ErrUnsteady, snapshotTries, last)
}

// tryTables reads the tables once; of a set's elements at most so many bytes.
func (c *Conn) tryTables(ctx context.Context, most int) (raw rawTables, err error) {
	session, err := c.session(ctx)
	if err != nil {
		return rawTables{}, err
	}
	defer func() { c.end(session, err) }()
	session.budget = censusBytes
	raw.parts, raw.large = make(map[place]*snapshot), make(map[place][]string)
	if raw.generation, err = session.generation(ctx); err != nil {
		return raw, err
	}
	if err = session.tables(ctx, &raw, most); err != nil {
		return raw, err
	}
	after, err := session.generation(ctx)
	if err == nil && after != raw.generation {
		err = errInterrupted
	}
	return raw, err
}

// tables reads the lists of all families at once.
func (s *session) tables(ctx context.Context, raw *rawTables, most int) error {
	lists := []struct {
		message uint16
		into    func(*snapshot) *[][]byte
	}{
		{unix.NFT_MSG_GETCHAIN, func(s *snapshot) *[][]byte { return &s.Chains }},
		{unix.NFT_MSG_GETRULE, func(s *snapshot) *[][]byte { return &s.Rules }},
		{unix.NFT_MSG_GETSET, func(s *snapshot) *[][]byte { return &s.Sets }},
		{unix.NFT_MSG_GETFLOWTABLE, func(s *snapshot) *[][]byte { return &s.Flowtables }},
	}
	err := s.askOf(ctx, unix.NFPROTO_UNSPEC, unix.NFT_MSG_GETTABLE, netlink.Dump, nil, func(family byte, b []byte) {
		at := place{family, tableName(b)}
		if raw.parts[at] == nil && !at.ours() {
			raw.order = append(raw.order, at)
			raw.parts[at] = &snapshot{Name: at.name, Table: b, Elements: make(map[string][][]byte)}
		}
	})
	if err != nil {
		return err
	}
	for _, list := range lists {
		err := s.askOf(ctx, unix.NFPROTO_UNSPEC, list.message, netlink.Dump, nil, func(family byte, b []byte) {
			if part := raw.parts[place{family, tableName(b)}]; part != nil {
				*list.into(part) = append(*list.into(part), b)
			}
		})
		if err != nil {
			return err
		}
	}
	return s.allElements(ctx, raw, most)
}

// ours says whether the table is Sallyport's own.
func (p place) ours() bool {
	return p.family == familyInet && (p.name == firewall.Table || p.name == bridgeTable)
}

// tableName is the attribute 1 of a message, which is the table's name in all of them. What follows is not looked at.
func tableName(message []byte) string {
	for len(message) > 0 {
		a, rest, err := attribute.Next(message)
		if err != nil {
			return ""
		}
		if a.Kind == tableAttribute {
			return attribute.Text(a.Data)
		}
		message = rest
	}
	return ""
}

// allElements reads those of every set that is not too large.
func (s *session) allElements(ctx context.Context, raw *rawTables, most int) error {
	for _, at := range raw.order {
		part := raw.parts[at]
		for _, set := range part.Sets {
			attrs, err := attribute.Parse(set)
			if err != nil {
				continue // decoding says so
			}
			name := attrs.Text(unix.NFTA_SET_NAME)
			large, err := s.someElements(ctx, at, name, part, most)
			if err != nil {
				return err
			}
			if large {
				delete(part.Elements, name)
				raw.large[at] = append(raw.large[at], name)
			}
		}
	}
	return nil
}

// someElements reads a set's elements unless they have more bytes than most.
func (s *session) someElements(
	ctx context.Context, at place, name string, to *snapshot, most int,
) (large bool, err error) {
	request := append(attribute.String(unix.NFTA_SET_ELEM_LIST_TABLE, at.name),
		attribute.String(unix.NFTA_SET_ELEM_LIST_SET, name)...)
	err = s.askOf(ctx, at.family, unix.NFT_MSG_GETSETELEM, netlink.Dump, request, func(_ byte, b []byte) {
		if most -= len(b); most < 0 {
			large = true
			return
		}
		to.Elements[name] = append(to.Elements[name], b)
	})
	return large, err
}

// decodeTables turns messages into tables. What cannot be read becomes a gap.
func decodeTables(raw rawTables) census.Census {
	c := census.Census{Generation: raw.generation}
	for _, at := range raw.order {
		table, err := decodeTable(*raw.parts[at])
		if err != nil {
			c.Gap("the table %s %s: %v", census.FamilyName(at.family), census.Visible(at.name), err)
			continue
		}
		for _, name := range raw.large[at] {
			c.Gap("the set %s of the table %s %s has more elements than are looked at", census.Visible(name),
				census.FamilyName(at.family), census.Visible(at.name))
		}
		c.Tables = append(c.Tables, otherTable(at, table, raw.large[at]))
	}
	slices.SortStableFunc(c.Tables, func(a, b census.Table) int {
		return cmp.Or(strings.Compare(a.Family, b.Family), strings.Compare(a.Name, b.Name))
	})
	return c
}

// otherTable puts a table of others in words. The content of the large sets is not known.
func otherTable(at place, raw rawTable, large []string) census.Table {
	t := census.Table{
		Family: census.FamilyName(at.family), Name: census.Visible(at.name),
		Dormant: raw.flags&unix.NFT_TABLE_F_DORMANT != 0,
	}
	sets := make(map[string]rawSet, len(raw.sets))
	for _, s := range raw.sets {
		sets[s.name] = s
		if !s.anonymous() && !slices.Contains(large, s.name) {
			t.Sets = append(t.Sets, present(s))
		}
	}
	for _, f := range raw.flowtables {
		t.Flowtables = append(t.Flowtables, readFlowtable(f))
	}
	for _, c := range raw.chains {
		t.Chains = append(t.Chains, otherChain(at.family, c, sets))
	}
	return t
}

func otherChain(family byte, raw rawChain, sets map[string]rawSet) census.Chain {
	chain := census.Chain{
		Name: census.Visible(raw.name), Hook: readHookOf(family, raw.attrs), Devices: hookDevices(raw.attrs),
	}
	for _, r := range raw.rules {
		chain.Rules = append(chain.Rules, census.Rule{
			Handle: r.attrs.NumberOr0(unix.NFTA_RULE_HANDLE), Steps: readSteps(family, r.expressions, sets),
		})
	}
	return chain
}

// present is a set as it is this moment: also with what expires and what packets added, without what is noted at each
// element. It is foreign only where an element has no word.
func present(s rawSet) firewall.Set {
	s.flags &^= unix.NFT_SET_EVAL
	s.elements = slices.Clone(s.elements)
	for i := range s.elements {
		s.elements[i].attrs = s.elements[i].attrs.Without(
			unix.NFTA_SET_ELEM_EXPIRATION, unix.NFTA_SET_ELEM_TIMEOUT, unix.NFTA_SET_ELEM_DATA)
		s.elements[i].expressions, s.elements[i].comment = nil, ""
	}
	set := firewall.Set{Name: s.name, Key: keyTypes(s.attrs.NumberOr0(unix.NFTA_SET_KEY_TYPE))}
	var foreign []string
	set.Elements, foreign = readElements(s, set.Key)
	set.Foreign = census.Short(strings.Join(foreign, " "))
	return set
}

// readHookOf is readHook with the hook's name in that family: netdev counts from ingress (enum nf_dev_hooks), and arp
// from input (NF_ARP_IN).
func readHookOf(family byte, attrs attribute.List) *firewall.Hook {
	hook := readHook(attrs)
	if hook == nil {
		return nil
	}
	nested, _ := attrs.Nested(unix.NFTA_CHAIN_HOOK) // readHook has read it
	number := nested.NumberOr0(unix.NFTA_HOOK_HOOKNUM)
	names := map[byte][]string{
		unix.NFPROTO_NETDEV: {"ingress", "egress"}, unix.NFPROTO_ARP: {"input", "output", "forward"},
	}[family]
	if number < uint64(len(names)) {
		hook.Name = names[number]
	}
	return hook
}

const (
	nftaHookDevs      = 4 // NFTA_HOOK_DEVS: the names of a chain's devices, where they are several
	nftaFlowtableHook = 3 // NFTA_FLOWTABLE_HOOK
	nftaFlowtableDevs = 3 // NFTA_FLOWTABLE_HOOK_DEVS: the names of a flowtable's devices
)

func hookDevices(chain attribute.List) []string {
	hook, err := chain.Nested(unix.NFTA_CHAIN_HOOK)
	if err != nil {
		return nil
	}
	names := deviceNames(hook, nftaHookDevs)
	if name := hook.Text(unix.NFTA_HOOK_DEV); name != "" && len(names) == 0 {
		names = append(names, census.Visible(name))
	}
	return names
}

func deviceNames(hook attribute.List, kind uint16) []string {
	list, err := hook.Nested(kind)
	if err != nil {
		return nil
	}
	var names []string
	for _, device := range list {
		names = append(names, census.Visible(attribute.Text(device.Data)))
	}
	return names
}

func readFlowtable(attrs attribute.List) census.Flowtable {
	f := census.Flowtable{Name: census.Visible(attrs.Text(nftaFlowtableName))}
	if hook, err := attrs.Nested(nftaFlowtableHook); err == nil {
		f.Devices = deviceNames(hook, nftaFlowtableDevs)
	}
	return f
}
