package kernel

import (
	"errors"
	"fmt"
	"reflect"
	"sallyport/firewall/kernel/encode"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// ErrUnsupported says that the kernel has nf_tables, but lacks a part of it that a ruleset needs; the text names the part.
var ErrUnsupported = errors.New("the kernel lacks a feature")

// probeTable is the name of a table that is added, used and deleted within one transaction: nobody ever sees it.
const probeTable = "sallyport-probe"

// explain says what a refused transaction means.
func (c *Conn) explain(code encode.Code, err error) error {
	var number unix.Errno
	if !errors.As(err, &number) {
		return err
	}
	switch number {
	case unix.ENOENT, unix.EOPNOTSUPP:
		if missing := c.missing(code); len(missing) > 0 {
			return fmt.Errorf("%w: %s: load the module, or take a kernel built with it: %w",
				ErrUnsupported, strings.Join(missing, ", "), number)
		}
	case unix.EMSGSIZE:
		return fmt.Errorf("the ruleset is larger than the send buffer that this user may have (net.core.wmem_max), "+
			"run as root: %w", number)
	}
	return reason(err)
}

// missing tries each kind of instruction of the ruleset by itself, and names those that the kernel does not know.
func (c *Conn) missing(code encode.Code) []string {
	var missing []string
	tried := make(map[reflect.Type]bool)
	for _, rule := range code.Rules {
		for _, e := range rule.Exprs {
			kind := reflect.TypeOf(e)
			if tried[kind] {
				continue
			}
			tried[kind] = true
			if !c.knows(e) {
				missing = append(missing, strings.ToLower(kind.Elem().Name()))
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// knows says whether the kernel has an instruction. Those that refer to something are taken as known: they come with
// nf_tables itself.
func (c *Conn) knows(e expr.Any) bool {
	switch e.(type) {
	case *expr.Lookup, *expr.Dynset, *expr.Objref, *expr.Verdict:
		return true
	}
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: probeTable}
	c.nft.AddTable(table)
	chain := c.nft.AddChain(&nftables.Chain{Table: table, Name: "probe"})
	c.nft.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{e}})
	c.nft.DelTable(table)
	err := c.nft.Flush()
	return !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EOPNOTSUPP)
}
