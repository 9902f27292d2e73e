package term

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sallyport/report/document"
)

// shownRows is how many of each list of packets are shown, and shownPorts how many ports of one source.
const (
	shownRows  = 10
	shownPorts = 6
)

// traffic is who knocked, and where the host wanted to go.
func (p *page) traffic(d document.Document) {
	t, ok := d.Traffic()
	if !ok {
		return
	}
	if t.Knocking != nil && len(t.Knocks) > 0 {
		p.line("who knocked within the last hour: %s", many(t.Knocking.IPv4+t.Knocking.IPv6, "address", "addresses"))
		p.table(knockRows(t.Knocks))
	}
	if t.Egress == nil {
		return
	}
	if len(t.Egress.Refused) > 0 {
		verb := "refused on the way out within the last hour"
		if t.Egress.Mode != "enforce" {
			verb = "would be refused on the way out, of the last hour"
		}
		p.line("%s: %s; sallyport status --egress writes them as a policy", verb,
			many(t.Egress.Count, "way", "ways"))
		p.table(refusalRows(t.Egress.Refused))
	}
	if len(t.Egress.Barred) > 0 {
		p.line("addresses that names lead to and that are not let out:")
		rows := make([][]string, 0, shownRows)
		for _, b := range t.Egress.Barred[:min(len(t.Egress.Barred), shownRows)] {
			rows = append(rows, []string{printable(b.Name), b.Address.String(), printable("it is " + b.Why)})
		}
		p.table(rows)
	}
}

func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// table is rows in columns, with a line of nothing after them.
func (p *page) table(rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(cell))
		}
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = pad(cell, widths[i])
		}
		p.line("%s%s", indent, strings.Join(cells, "  "))
	}
	p.line("")
}

// knockRows is a row for each source, the one with the most packets first.
func knockRows(knocks []document.Knock) [][]string {
	type source struct {
		packets uint64
		first   document.Knock
		ports   []string
	}
	sources := map[string]*source{}
	for _, k := range knocks {
		from := k.From.String()
		s := sources[from]
		if s == nil {
			s = &source{first: k}
			sources[from] = s
		}
		s.packets += k.Packets
		s.ports = append(s.ports, fmt.Sprintf("%d/%s", k.Port, printable(k.Protocol)))
		if k.Since.Before(s.first.Since) {
			s.first.Since = k.Since
		}
	}
	order := slices.SortedFunc(maps.Keys(sources), func(a, b string) int {
		return cmp.Or(cmp.Compare(sources[b].packets, sources[a].packets), cmp.Compare(a, b))
	})
	var rows [][]string
	for _, from := range order[:min(len(order), shownRows)] {
		s := sources[from]
		ports := strings.Join(s.ports[:min(len(s.ports), shownPorts)], " ")
		if more := len(s.ports) - shownPorts; more > 0 {
			ports += fmt.Sprintf(" and %d more", more)
		}
		rows = append(rows, []string{
			from, ports, packets(s.packets), "since " + s.first.Since.UTC().Format("15:04:05Z"),
		})
	}
	return rows
}

func refusalRows(refused []document.Refusal) [][]string {
	var rows [][]string
	for _, r := range refused[:min(len(refused), shownRows)] {
		who := "no user"
		if r.UID != nil {
			who = fmt.Sprintf("uid %d %s", *r.UID, printable(r.User))
		}
		rows = append(rows, []string{
			r.To.String(), fmt.Sprintf("%d/%s", r.Port, printable(r.Protocol)), strings.TrimSpace(who), packets(r.Packets),
			"since " + r.Since.UTC().Format("15:04:05Z"),
		})
	}
	return rows
}

func packets(n uint64) string { return many(int(min(n, 1<<62)), "packet", "packets") }
