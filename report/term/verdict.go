package term

import (
	"strings"

	"sallyport/check"
	"sallyport/report/verdict"
)

const (
	shownEvidence = 2 // lines
	shownNames    = 8 // checks
	shownOthers   = 4 // further roots
)

// verdict writes the results in one before them, where something is not well: what broke, what proves it, what to do first,
// and what is not broken.
func (p *page) verdict(v *verdict.Verdict) {
	if v == nil || v.Sentence == "" || v.Status != check.Fail && v.Status != check.Unknown && v.Status != check.Warn {
		return
	}
	p.root(v.Root)
	for _, line := range v.Evidence[:min(len(v.Evidence), shownEvidence)] {
		p.wrapped("seen: ", line)
	}
	p.wrapped("→ ", v.First)
	if len(v.Affected) > 1 {
		p.wrapped("affected: ", some(v.Affected))
	}
	if v.Well != "" {
		p.wrapped("not affected: ", v.Well)
	}
	for _, other := range v.Others[:min(len(v.Others), shownOthers)] {
		p.root(other)
	}
	if more := len(v.Others) - shownOthers; more > 0 {
		p.line("%sand %d more, below", indent, more)
	}
	p.line("")
}

// root is what broke, in a line.
func (p *page) root(r verdict.Root) {
	text := p.word(r.Status, 7) + "  "
	room := p.options.Width - width(indent)
	for i, line := range wrap(printable(r.Sentence), room) {
		if i > 0 {
			text = indent
		}
		p.line("%s%s", text, line)
	}
}

func some(names []string) string {
	text := strings.Join(names[:min(len(names), shownNames)], ", ")
	if len(names) > shownNames {
		text += ", ..."
	}
	return text
}
