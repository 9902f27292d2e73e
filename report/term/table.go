package term

import (
	"bufio"
	"io"
	"strings"
)

const (
	gutter = "  " // between columns
	// narrowest is the least that the last column gets beside the others, in columns of the terminal; with less room it
	// goes to lines of its own.
	narrowest = 20
	// widestCell bounds the other columns, so that one long text shifts its own row, and not all of them.
	widestCell = 28
)

// Table writes rows under a title and headings, in columns as wide as what is in them; the last column is wrapped at the
// width of the terminal. Each row has a text for each heading.
func Table(w io.Writer, title string, headings []string, rows [][]string, o Options) error {
	p := &page{out: bufio.NewWriter(w), options: o}
	p.line("%s", title)
	cells := make([][]string, 0, len(rows)+1)
	for _, row := range append([][]string{headings}, rows...) {
		clean := make([]string, len(row))
		for i, text := range row {
			clean[i] = printable(text)
		}
		cells = append(cells, clean)
	}
	widths := make([]int, len(headings)-1)
	for _, row := range cells {
		for i := range widths {
			widths[i] = min(max(widths[i], width(row[i])), widestCell)
		}
	}
	for _, row := range cells {
		p.row(row, widths)
	}
	return p.out.Flush()
}

// row writes one row: its last column beside the others where there is room for it, and under them where not.
func (p *page) row(row []string, widths []int) {
	var lead strings.Builder
	for i, columns := range widths {
		lead.WriteString(pad(row[i], columns) + gutter)
	}
	last, room := row[len(row)-1], p.options.Width-width(lead.String())
	if p.options.Width == 0 || room >= narrowest || width(last) <= room {
		if p.options.Width == 0 {
			room = 0
		}
		lines := wrap(last, room)
		p.line("%s%s", lead.String(), strings.Join(lines[:min(len(lines), 1)], ""))
		for _, line := range lines[min(len(lines), 1):] {
			p.line("%s%s", strings.Repeat(" ", width(lead.String())), line)
		}
		return
	}
	p.line("%s", lead.String())
	p.wrapped("", last)
}
