package firewall

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// textWidth is where lines of set elements are broken, in columns.
const textWidth = 100

// String is the ruleset as nft text, which nft -c -f accepts. Loaded by nft -f where no table inet sallyport is, it gives
// what package kernel writes; where one is, take Script.
func (r Ruleset) String() string {
	var t textWriter
	t.ruleset(r)
	return t.String()
}

// Script is an nft script that replaces the content of a table inet sallyport that may be there: rules and elements that
// are not of this ruleset go, in one transaction, and no base chain is recreated. Sets, chains and counters that others
// have added stay, emptied: only package kernel, which looks first, removes them.
func (r Ruleset) Script() string {
	var t textWriter
	t.line("table inet %s {", Table)
	for _, s := range r.Sets {
		t.line("\tset %s { %s; }", s.Name, strings.Join(setSpec(s), "; "))
	}
	t.line("}")
	t.line("flush table inet %s", Table)
	for _, s := range r.Sets {
		if !s.Dynamic {
			t.line("flush set inet %s %s", Table, s.Name)
		}
	}
	t.ruleset(r)
	return t.String()
}

// textWriter collects lines.
type textWriter struct{ strings.Builder }

func (t *textWriter) line(format string, args ...any) {
	_, _ = fmt.Fprintf(t, format+"\n", args...) // a Builder does not fail
}

func (t *textWriter) ruleset(r Ruleset) {
	t.line("table inet %s {", Table)
	if r.Dormant {
		t.line("\tflags dormant")
	}
	for _, c := range r.Counters {
		t.line("\tcounter %s {}", c)
	}
	for _, s := range r.Sets {
		t.line("")
		t.set(s)
	}
	// Every chain that is jumped to must be known before the rule that jumps: nft reads the text once.
	for _, c := range regularFirst(r.Chains) {
		t.line("")
		t.chain(c)
	}
	t.line("}")
}

func (t *textWriter) set(s Set) {
	t.line("\tset %s {", s.Name)
	for _, spec := range setSpec(s) {
		t.line("\t\t%s", spec)
	}
	if len(s.Elements) > 0 {
		t.elements(s.Key, s.Elements)
	}
	t.line("\t}")
}

func (t *textWriter) elements(key []KeyType, elements []Element) {
	line := "\t\telements = {"
	for i, e := range elements {
		word := " " + e.words(key)
		if i < len(elements)-1 {
			word += ","
		}
		if len(line)+len(word) > textWidth {
			t.line("%s", line)
			line = "\t\t\t" + word[1:]
			continue
		}
		line += word
	}
	t.line("%s }", line)
}

func (t *textWriter) chain(c Chain) {
	if c.Note != "" {
		t.line("\t# %s", c.Note)
	}
	t.line("\tchain %s {", c.Name)
	if c.Hook != nil {
		t.line("\t\t%s", c.Hook)
	}
	note := ""
	for _, rule := range c.Rules {
		if rule.Note != note && rule.Note != "" {
			t.line("\t\t# %s", rule.Note)
		}
		note = rule.Note
		t.line("\t\t%s", rule)
	}
	t.line("\t}")
}

func regularFirst(chains []Chain) []Chain {
	regular := make([]Chain, 0, len(chains))
	var base []Chain
	for _, c := range chains {
		if c.Hook == nil {
			regular = append(regular, c)
		} else {
			base = append(base, c)
		}
	}
	return slices.Concat(regular, base)
}

// setSpec is what a set is, apart from its elements, in nft words.
func setSpec(s Set) []string {
	types := make([]string, len(s.Key))
	for i, k := range s.Key {
		types[i] = string(k)
	}
	spec := []string{"type " + strings.Join(types, " . ")}
	if s.Size > 0 {
		spec = append(spec, fmt.Sprintf("size %d", s.Size))
	}
	if flags := setFlags(s); flags != "" {
		spec = append(spec, "flags "+flags)
	}
	if s.Timeout > 0 {
		spec = append(spec, "timeout "+nftDuration(s.Timeout))
	}
	if s.Foreign != "" {
		spec = append(spec, s.Foreign)
	}
	return spec
}

func setFlags(s Set) string {
	var flags []string
	if s.Dynamic {
		flags = append(flags, "dynamic")
	}
	if s.Interval {
		flags = append(flags, "interval")
	}
	if s.Timed {
		flags = append(flags, "timeout")
	}
	return strings.Join(flags, ",")
}

// nftDuration writes a duration as nft reads it: Go's "1m0s" without empty parts, and milliseconds last.
func nftDuration(d time.Duration) string {
	var b strings.Builder
	units := []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}}
	for _, u := range units {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d %= u.unit
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

// String is the hook as nft writes it in a chain.
func (h Hook) String() string {
	kind, policy := h.Type, "accept"
	if kind == "" {
		kind = "filter"
	}
	if h.Drop {
		policy = "drop"
	}
	return fmt.Sprintf("type %s hook %s priority %s; policy %s;", kind, h.Name, nftPriority(h.Priority), policy)
}

// nftPriority names a priority by the nearest of the two that matter here, as nft does within 10 of one.
func nftPriority(p int32) string {
	for _, named := range []struct {
		name string
		at   int32
	}{{"raw", -300}, {"filter", 0}} {
		switch away := p - named.at; {
		case away == 0:
			return named.name
		case away > 0 && away <= 10:
			return fmt.Sprintf("%s + %d", named.name, away)
		case away < 0 && away >= -10:
			return fmt.Sprintf("%s - %d", named.name, -away)
		}
	}
	return fmt.Sprintf("%d", p)
}

// String is the element as nft writes it, numbers as numbers.
func (e Element) String() string { return e.words(nil) }

// words is the element as nft writes it in a set of such keys.
func (e Element) words(key []KeyType) string {
	parts := make([]string, len(e.Key))
	for i, v := range e.Key {
		var field Field
		if i < len(key) && key[i] == NFProto {
			field = MetaNFProto
		}
		parts[i] = valueText(field, v)
	}
	text := strings.Join(parts, " . ")
	if e.Timeout > 0 {
		text += " timeout " + nftDuration(e.Timeout)
	}
	return text
}

// String is the rule as nft writes it.
func (r Rule) String() string {
	parts := make([]string, 0, len(r.Statements)+1)
	for _, s := range r.Statements {
		parts = append(parts, s.String())
	}
	if r.Comment != "" {
		parts = append(parts, fmt.Sprintf("comment %q", r.Comment))
	}
	return strings.Join(parts, " ")
}
