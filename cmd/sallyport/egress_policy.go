package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sallyport/report/document"
)

// writeEgress writes where the host wanted to go as entries of firewall.egress.also, for a person to read and to keep what
// is meant: one for each address and user, with all their ports.
func writeEgress(w io.Writer, d document.Document) error {
	t, ok := d.Traffic()
	if !ok || t.Egress == nil {
		return errors.New("nothing is known of the ways out: is firewall.egress.mode observe or enforce, and does the " +
			"guard run?")
	}
	var b strings.Builder
	entries := egressEntries(t.Egress.Refused)
	if len(entries) == 0 {
		b.WriteString("# nothing: everything that this host sent within the last hour is named by its policy\n")
	} else {
		fmt.Fprintf(&b, "# %d of %d ways out that no destination names; delete what is not meant\nalso:\n",
			len(t.Egress.Refused), t.Egress.Count)
	}
	for i, e := range entries {
		unit := "packets"
		if e.packets == 1 {
			unit = "packet"
		}
		fmt.Fprintf(&b, "  - {name: seen-%d, to: [%q], ports: [%s]%s} # %d %s%s\n",
			i+1, e.to, strings.Join(e.ports, ", "), e.users(), e.packets, unit, e.owner())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// egressEntry is one destination that would let out what was seen.
type egressEntry struct {
	to      string
	uid     *uint32
	user    string
	ports   []string
	packets uint64
}

func (e *egressEntry) users() string {
	if e.uid == nil {
		return ""
	}
	return fmt.Sprintf(", users: [\"%d\"]", *e.uid)
}

func (e *egressEntry) owner() string {
	switch {
	case e.uid == nil:
		return ", of no user"
	case e.user == "":
		return fmt.Sprintf(", of uid %d", *e.uid)
	}
	return fmt.Sprintf(", of %q", e.user)
}

// egressEntries joins the ports of each address and user.
func egressEntries(refused []document.Refusal) []*egressEntry {
	var entries []*egressEntry
	for _, r := range refused {
		to := r.To.String()
		at := slices.IndexFunc(entries, func(e *egressEntry) bool {
			return e.to == to && (e.uid == nil) == (r.UID == nil) && (r.UID == nil || *e.uid == *r.UID)
		})
		if at < 0 {
			at = len(entries)
			entries = append(entries, &egressEntry{to: to, uid: r.UID, user: r.User})
		}
		e := entries[at]
		e.ports = append(e.ports, fmt.Sprintf("%d/%s", r.Port, r.Protocol))
		e.packets += r.Packets
	}
	return entries
}
