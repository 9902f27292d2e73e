package dnssec

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// name is a domain name in its canonical form (RFC 4034 section 6.2): on the wire, uncompressed, in lower case, with the
// root's empty label at the end. Two names are the same exactly where these strings are: the text form, with its escapes,
// has several spellings for one name.
type name string

// root is the name of the root zone.
const root name = "\x00"

const (
	// maxNameSize is how many octets a name has at most (RFC 1035 section 2.3.4).
	maxNameSize = 255
	// maxLabels is how many labels fit into it.
	maxLabels = 127
)

func nameOf(text string) (name, error) {
	var buffer [maxNameSize + 1]byte
	n, err := dns.PackDomainName(dns.Fqdn(text), buffer[:], 0, nil, false)
	if err != nil {
		return "", fmt.Errorf("domain name %.80q: %w", text, err)
	}
	if n == 0 || n > maxNameSize {
		return "", fmt.Errorf("domain name %.80q has %d octets, not 1 to %d", text, n, maxNameSize)
	}
	lower(buffer[:n])
	return name(buffer[:n]), nil
}

// lower turns ASCII letters into lower case. The lengths of labels are below 64 and no letters.
func lower(wire []byte) {
	for i, c := range wire {
		if 'A' <= c && c <= 'Z' {
			wire[i] = c + 'a' - 'A'
		}
	}
}

// String is the name for a person: escaped as in zone files, without the final dot.
func (n name) String() string {
	if n == root {
		return "."
	}
	return strings.TrimSuffix(n.text(), ".")
}

// text is the name as the library spells it.
func (n name) text() string {
	text, _, err := dns.UnpackDomainName([]byte(n), 0)
	if err != nil {
		return "."
	}
	return text
}

// parent is the name without its first label; the root's is the root.
func (n name) parent() name {
	if len(n) <= 1 {
		return root
	}
	return n[1+int(n[0]):]
}

// labels is how many labels the name has, the root's not counted.
func (n name) labels() int {
	count := 0
	for ; len(n) > 1; n = n.parent() {
		count++
	}
	return count
}

// last is the name of the last count labels.
func (n name) last(count int) name {
	for drop := n.labels() - count; drop > 0; drop-- {
		n = n.parent()
	}
	return n
}

// within says whether n is a or stands below it.
func (n name) within(a name) bool {
	for len(n) > len(a) {
		n = n.parent()
	}
	return n == a
}

// below says whether n stands below a.
func (n name) below(a name) bool { return n != a && n.within(a) }

func (n name) isWildcard() bool { return strings.HasPrefix(string(n), "\x01*") }

// wildcard is the name "*" below n; false where it would be too long to exist.
func (n name) wildcard() (name, bool) { return "\x01*" + n, len(n)+2 <= maxNameSize }

// rebase is n with its ending from replaced by to (RFC 6672 section 2.2); false where the result is too long.
func (n name) rebase(from, to name) (name, bool) {
	moved := n[:len(n)-len(from)] + to
	return moved, len(moved) <= maxNameSize
}

// commonAncestor is the longest name that both are within.
func commonAncestor(a, b name) name {
	for !b.within(a) {
		a = a.parent()
	}
	return a
}

// compareNames is the canonical order (RFC 4034 section 6.1): by labels from the right, each as a string of octets.
func compareNames(a, b name) int {
	as, bs := a.split(), b.split()
	for i := 1; i <= min(len(as), len(bs)); i++ {
		if c := bytes.Compare(as[len(as)-i], bs[len(bs)-i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}

func (n name) split() [][]byte {
	var labels [][]byte
	for ; len(n) > 1; n = n.parent() {
		labels = append(labels, []byte(n[1:1+int(n[0])]))
	}
	return labels
}
