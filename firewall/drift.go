package firewall

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
)

// Drift is what separates a live ruleset from a wanted one, in the order of the wanted one, and what only the live one has
// last. The zero Drift is none.
type Drift struct {
	Changes []Change
}

// Change is one difference.
type Change struct {
	Missing bool   // wanted, and not live; otherwise live, and not wanted
	Object  string // table, chain, set, element, counter or rule
	In      string // the chain or the set of a rule or an element, or the name of what differs
	Text    string // in nft words
	More    int    // further changes of this kind in the same place that are not listed
}

// maxChanges bounds what is listed for one chain or set: a set of 100,000 addresses that is gone is one finding, not
// 100,000 lines.
const maxChanges = 20

// maxCompared bounds the product of the lengths of two chains that are compared in detail; longer ones differ as a whole.
const maxCompared = 4 << 20

// Empty says that nothing differs.
func (d Drift) Empty() bool { return len(d.Changes) == 0 }

// String is the drift like a unified diff: + is missing from the live ruleset, - is too much in it.
func (d Drift) String() string {
	if d.Empty() {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- live table inet %s\n+++ wanted\n", Table)
	place := ""
	for _, c := range d.Changes {
		if p := c.place(); p != place {
			place = p
			fmt.Fprintf(&b, "@@ %s @@\n", p)
		}
		b.WriteString(c.String() + "\n")
	}
	return b.String()
}

// String is the change as one line, such as `+ rule accept`.
func (c Change) String() string {
	sign := "-"
	if c.Missing {
		sign = "+"
	}
	if c.More > 0 {
		return fmt.Sprintf("%s … and %d more", sign, c.More)
	}
	return sign + " " + c.Object + " " + c.Text
}

func (c Change) place() string {
	switch c.Object {
	case "rule":
		return "chain " + c.In
	case "element":
		return "set " + c.In
	default:
		return c.Object + " " + c.In
	}
}

// Diff tells what must change in got for it to be want. The order of chains, sets and counters means nothing, that of
// rules does; notes, elements that expire and what packets put into dynamic sets are passed by.
func Diff(want, got Ruleset) Drift {
	var d Drift
	if want.Dormant != got.Dormant {
		d.add(Change{Missing: want.Dormant, Object: "table", In: Table, Text: "flags dormant"})
	}
	d.counters(want.Counters, got.Counters)
	d.sets(want.Sets, got.Sets)
	d.chains(want.Chains, got.Chains)
	return d
}

// maxText bounds the words of one change, in bytes: a foreign rule or map may be of any length.
const maxText = 512

// add lists changes in words that are safe to print: the kernel takes any bytes as a name, and whoever made up one of a
// live table is not to be trusted with a terminal or a log.
func (d *Drift) add(changes ...Change) {
	for _, c := range changes {
		c.In, c.Text = printable(c.In), printable(c.Text)
		d.Changes = append(d.Changes, c)
	}
}

func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		quoted := strconv.QuoteToASCII(text)
		text = quoted[1 : len(quoted)-1]
	}
	if len(text) > maxText {
		text = text[:maxText] + "..."
	}
	return text
}

// paired walks two lists by name: first every wanted one with what stands for it, then what nobody wants.
func paired[T any](want, got []T, name func(T) string, visit func(want, got *T)) {
	live := make(map[string][]*T)
	for i := range got {
		live[name(got[i])] = append(live[name(got[i])], &got[i])
	}
	for i := range want {
		var match *T
		if same := live[name(want[i])]; len(same) > 0 {
			match, live[name(want[i])] = same[0], same[1:]
		}
		visit(&want[i], match)
	}
	for i := range got {
		if slices.Contains(live[name(got[i])], &got[i]) {
			visit(nil, &got[i])
		}
	}
}

func (d *Drift) counters(want, got []string) {
	paired(want, got, func(s string) string { return s }, func(want, got *string) {
		switch {
		case got == nil:
			d.add(Change{Missing: true, Object: "counter", In: *want, Text: *want})
		case want == nil:
			d.add(Change{Object: "counter", In: *got, Text: *got})
		}
	})
}

func (d *Drift) sets(want, got []Set) {
	paired(want, got, func(s Set) string { return s.Name }, func(want, got *Set) {
		switch {
		case got == nil:
			d.add(Change{Missing: true, Object: "set", In: want.Name, Text: setLine(*want)})
			d.elements(want.Name, lasting(want.Elements), nil)
		case want == nil:
			d.add(Change{Object: "set", In: got.Name, Text: setLine(*got)})
			d.elements(got.Name, nil, lasting(got.Elements))
		default:
			if setLine(*want) != setLine(*got) {
				d.add(
					Change{Object: "set", In: want.Name, Text: setLine(*got)},
					Change{Missing: true, Object: "set", In: want.Name, Text: setLine(*want)})
			}
			if !want.Dynamic {
				d.elements(want.Name, lasting(want.Elements), lasting(got.Elements))
			}
		}
	})
}

// lasting are the elements that do not expire: those that do come and go without anybody's doing.
func lasting(elements []Element) []Element {
	return slices.DeleteFunc(slices.Clone(elements), func(e Element) bool { return e.Timeout > 0 })
}

func setLine(s Set) string { return s.Name + " { " + strings.Join(setSpec(s), "; ") + " }" }

// bounded lists so many changes, and counts the rest.
type bounded struct{ changes []Change }

func (b *bounded) add(c Change) {
	switch n := len(b.changes); {
	case n < maxChanges:
		b.changes = append(b.changes, c)
	case n == maxChanges:
		c.Text, c.More = "", 1
		b.changes = append(b.changes, c)
	default:
		b.changes[n-1].More++
	}
}

func (d *Drift) chains(want, got []Chain) {
	paired(want, got, func(c Chain) string { return c.Name }, func(want, got *Chain) {
		switch {
		case got == nil:
			d.add(Change{Missing: true, Object: "chain", In: want.Name, Text: chainLine(*want)})
			d.rules(want.Name, want.Rules, nil)
		case want == nil:
			d.add(Change{Object: "chain", In: got.Name, Text: chainLine(*got)})
			d.rules(got.Name, nil, got.Rules)
		default:
			if chainLine(*want) != chainLine(*got) {
				d.add(
					Change{Object: "chain", In: want.Name, Text: chainLine(*got)},
					Change{Missing: true, Object: "chain", In: want.Name, Text: chainLine(*want)})
			}
			d.rules(want.Name, want.Rules, got.Rules)
		}
	})
}

func chainLine(c Chain) string {
	if c.Hook == nil {
		return c.Name
	}
	return c.Name + " { " + c.Hook.String() + " }"
}

// rules finds the fewest rules that were taken out and put in, so that one inserted rule is one change and not a chain of
// them.
func (d *Drift) rules(chain string, want, got []Rule) {
	a, b := ruleLines(got), ruleLines(want)
	if slices.Equal(a, b) {
		return
	}
	opcodes := []difflib.OpCode{{Tag: 'r', I2: len(a), J2: len(b)}}
	if len(a)*len(b) <= maxCompared {
		opcodes = difflib.NewMatcherWithJunk(a, b, false, nil).GetOpCodes()
	}
	missing, extra := bounded{}, bounded{}
	var changes []Change
	for _, op := range opcodes {
		if op.Tag == 'e' {
			continue
		}
		for _, line := range a[op.I1:op.I2] {
			extra.add(Change{Object: "rule", In: chain, Text: line})
			changes = appendListed(changes, extra)
		}
		for _, line := range b[op.J1:op.J2] {
			missing.add(Change{Missing: true, Object: "rule", In: chain, Text: line})
			changes = appendListed(changes, missing)
		}
	}
	d.add(changes...)
	for _, rest := range []bounded{extra, missing} {
		if len(rest.changes) > maxChanges {
			d.add(rest.changes[maxChanges])
		}
	}
}

// appendListed keeps rules taken out and put in side by side, as long as they are listed at all.
func appendListed(changes []Change, b bounded) []Change {
	if n := len(b.changes); n <= maxChanges && b.changes[n-1].More == 0 {
		return append(changes, b.changes[n-1])
	}
	return changes
}

func ruleLines(rules []Rule) []string {
	lines := make([]string, len(rules))
	for i, r := range rules {
		lines[i] = r.String()
	}
	return lines
}
