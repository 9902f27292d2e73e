package verdict

import (
	"net"
	"slices"
	"strings"

	"sallyport/check"
)

// itsOwn says whether a result is of the service itself: of its connections, and its log.
func itsOwn(r check.Result) bool { return r.Kind == check.KindService && r.Cause != "" }

// trouble is one thing that the service meets.
type trouble struct {
	words  string // what it says
	lead   string // before that, where it is told among a root's evidence
	of     func(finding) bool
	status check.Status
	cause  check.Cause // empty: as the result has it
}

// troubles are those of a result.
func (s *scene) troubles(r check.Result) []trouble {
	e, ok := r.Evidence.(meeting)
	if !ok {
		return nil
	}
	var all []trouble
	for _, met := range e.Meets() {
		at := placeOf(met.Address)
		all = append(all, trouble{
			words: met.Detail, lead: "the service meets it too: ", status: met.Status, cause: met.Cause,
			of: func(f finding) bool { return met.Cause == check.ConnectTimeout && s.stuckFor(f, at) },
		})
	}
	for words, checks := range e.Complains() {
		all = append(all, trouble{
			words: words, lead: "the service says so too: ", of: func(f finding) bool { return s.explainsOne(f, checks) },
		})
	}
	return all
}

// withService tells what the service meets among the evidence of the roots that explain it. Its result belongs to the first
// of them where they explain all of it. Else it stands for itself: a port without encryption, which nothing explains, is
// not to be overlooked for a connection that is stuck.
func (s *scene) withService(found []finding) []finding {
	var remaining []finding
	for i, r := range s.results {
		if !itsOwn(r) || !unwell(r.Status) || s.claimed[i] {
			continue
		}
		owner, troubles := len(found), s.troubles(r)
		rest := slices.DeleteFunc(slices.Clone(troubles), func(t trouble) bool {
			at := slices.IndexFunc(found, t.of)
			if at >= 0 {
				found[at].service = append(found[at].service, t)
				owner = min(owner, at)
			}
			return at >= 0
		})
		s.claimed[i] = true
		if owner < len(found) && len(rest) == 0 {
			found[owner].explains = append(found[owner].explains, i)
			continue
		}
		f := s.each([]int{i})[0]
		if len(rest) < len(troubles) && rest[0].cause != "" {
			f = s.remains(i, rest[0])
		}
		f.rank = len(rules()) - 1 // as what stands alone
		remaining = append(remaining, f)
	}
	return append(found, remaining...)
}

// remains is the root of what the service meets and no root explains, where others do explain a part.
func (s *scene) remains(i int, rest trouble) finding {
	r := s.results[i]
	r.Status, r.Cause, r.Detail = rest.status, rest.cause, rest.words
	return finding{
		cause: r.Cause, status: r.Status, sentence: subject(r) + " " + does(r) + said(r), explains: []int{i}, said: true,
		first: "Run sallyport explain " + string(r.Cause) + ": it says what mends it.",
	}
}

// explainsOne says whether a root explains what one of some checks finds.
func (s *scene) explainsOne(f finding, checks []string) bool {
	return slices.ContainsFunc(f.explains, func(i int) bool {
		return !itsOwn(s.results[i]) && slices.Contains(checks, s.results[i].Check)
	})
}

// stuckFor says whether a connection to a place that gets no answer fails for a root: nothing that leads there can be
// answered, or a check fails to connect there.
func (s *scene) stuckFor(f finding, at place) bool {
	return f.covers != nil && f.covers(at) || slices.ContainsFunc(f.explains, func(i int) bool {
		return !itsOwn(s.results[i]) && s.failsAt(i, at)
	})
}

// failsAt says whether a result fails to connect to a place: to that address and port, to that address or host in silence,
// or to the proxy there. A host of which another address is asked fails for its name, one that answers at this does not.
func (s *scene) failsAt(i int, at place) bool {
	r := s.results[i]
	if r.Cause == check.ProxyRefused {
		return proxyOf(r) == net.JoinHostPort(at.address.String(), at.port)
	}
	quiet := slices.Contains(silence(), r.Cause)
	if !at.address.IsValid() || !quiet && r.Cause.Layer() != check.LayerConnect {
		return false
	}
	if slices.ContainsFunc(s.places[i], func(p place) bool { return p.address == at.address }) {
		return slices.ContainsFunc(s.bad(i), func(p place) bool {
			return p.address == at.address && (quiet || p.port == at.port)
		})
	}
	return r.Cause.Layer() == check.LayerConnect && at.host != "" && at.host == hostOf(r) && (quiet || s.port(i) == at.port)
}

// ownLines are what the service meets of a root, as evidence, without what the root says already: a check tells what the
// log says of the same.
func ownLines(f finding) []string {
	var lines []string
	said := func(words string) bool {
		in := func(text string) bool { return words != "" && strings.Contains(text, words) }
		return in(f.sentence) || slices.ContainsFunc(f.evidence, in)
	}
	for _, t := range f.service {
		if line := t.lead + t.words; !said(t.words) && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}
