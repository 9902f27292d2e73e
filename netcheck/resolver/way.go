package resolver

import (
	"math"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// MaxLinks is how many aliases are followed one after another. Resolvers give up earlier (unbound and BIND after 11).
const MaxLinks = 16

// Link is one name on the way from the name asked for to its records, as a server told of it.
type Link struct {
	Name   string `json:"name"`             // escaped, without the final dot
	Target string `json:"target,omitempty"` // whose alias it is; empty at the end of the way
	Rcode  string `json:"rcode,omitempty"`  // of the answer that told; empty when none came
	TTL    uint32 `json:"ttl_s"`            // of the alias or the records, 0 where there is none
}

// way is where the aliases of a name lead, as far as servers told.
type way struct {
	q         Question
	name      string // where it stands, canonical
	names     []string
	links     []Link
	records   []dns.RR // of the type asked for, at name
	ttl       uint32   // seconds; the lowest of the aliases and the records
	looped    bool     // it leads back onto itself
	long      bool     // it has more than MaxLinks aliases
	validated bool     // each answer said so (AD)
	gaveUp    bool     // the server failed at the whole, and answers each link by itself
}

// newWay stands at the name asked for.
func newWay(q Question) way {
	return way{q: q, name: q.Name, ttl: math.MaxUint32, validated: true}
}

// aliased says that the way has left the name asked for.
func (w *way) aliased() bool { return len(w.links) > 0 }

// take follows the aliases of an answer. Records off the way count for nothing. It says whether it came further.
func (w *way) take(msg *dns.Msg) bool {
	w.validated = w.validated && msg.AuthenticatedData
	before := len(w.links)
	for !w.looped && !w.long {
		next, ttl := w.at(msg)
		w.ttl = min(w.ttl, ttl)
		if len(w.records) > 0 || next == "" {
			break
		}
		link := Link{Name: shownName(w.name), Target: shownName(next), Rcode: RcodeName(msg.Rcode), TTL: ttl}
		w.links = append(w.links, link)
		w.names = append(w.names, w.name)
		w.looped = slices.Contains(w.names, next)
		w.long = len(w.links) > MaxLinks
		w.name = next
	}
	return len(w.links) > before || len(w.records) > 0
}

// at keeps the records of the name where the way stands, or is the name whose alias it is.
func (w *way) at(msg *dns.Msg) (next string, ttl uint32) {
	ttl = math.MaxUint32
	for _, rr := range msg.Answer {
		header := rr.Header()
		if header.Class != dns.ClassINET || !strings.EqualFold(header.Name, w.name) {
			continue
		}
		if header.Rrtype == w.q.Type || w.q.Type == dns.TypeANY {
			w.records = append(w.records, rr)
			ttl = min(ttl, header.Ttl)
		} else if alias, ok := rr.(*dns.CNAME); ok {
			next, ttl = dns.CanonicalName(alias.Target), min(ttl, header.Ttl)
		}
	}
	return next, ttl
}

// stopped says that the answer ends at an alias and says nothing of the name behind it.
func (w *way) stopped(msg *dns.Msg) bool {
	return w.aliased() && !w.looped && !w.long && len(w.records) == 0 && msg.Rcode == dns.RcodeSuccess && !vouched(msg)
}

// vouched says that the server vouches for there being no record (RFC 2308 section 2.2).
func vouched(msg *dns.Msg) bool {
	return slices.ContainsFunc(msg.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA })
}

// end is the way as it is shown: with its last name, and what the last answer says of it; nil is no answer. A name that
// is no alias has no links.
func (w *way) end(msg *dns.Msg) []Link {
	if !w.aliased() || w.looped || w.long {
		return w.links
	}
	last := Link{Name: shownName(w.name)}
	if msg != nil {
		last.Rcode = RcodeName(msg.Rcode)
	}
	for _, rr := range w.records {
		last.TTL = rr.Header().Ttl
	}
	return append(w.links, last)
}

// verdict is what the way has come to, not yet judged.
func (w *way) verdict(msg *dns.Msg) Verdict {
	v := Verdict{Links: w.end(msg), records: w.records}
	for _, link := range w.links {
		v.Chain = append(v.Chain, link.Target)
	}
	if w.aliased() || len(w.records) > 0 {
		v.TTL = w.ttl
	}
	for _, rr := range w.records {
		v.Data = append(v.Data, recordData(rr))
	}
	slices.Sort(v.Data)
	v.Data = slices.Compact(v.Data)
	return v
}

// lastLink names the link that leads to where the way stands, for a sentence.
func (w *way) lastLink() string {
	last := w.links[len(w.links)-1]
	return "the alias " + last.Name + " leads to " + last.Target
}
