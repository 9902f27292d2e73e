package resolver

import (
	"context"
	"slices"

	"sallyport/check"
)

// AskNames asks every server for one name after another, as getaddrinfo(3) goes through a search list, and with it every
// program and JVM of the host (resolver(5), "search"). It ends at the first name that somebody answers with data, and at
// one to which no server gives any answer; where no name is known, the answers are those about the first one. There is at
// least one name, and at least one server.
func AskNames(ctx context.Context, servers []*Exchanger, names []Question, want Want) (Question, []Answer) {
	var first []Answer
	for _, q := range names {
		answers := AskAll(ctx, servers, q, want)
		if !passedBy(answers) {
			return q, answers
		}
		if first == nil {
			first = answers
		}
	}
	return names[0], first
}

// passedBy says whether a stub resolver goes on to the next name: nobody has data, and somebody denies the name or fails
// at it (res_nsearch of the GNU C library; it ends at silence and at a refusal).
func passedBy(answers []Answer) bool {
	known := func(a Answer) bool { return a.Err == nil || a.Err.Cause == check.DNSMismatch }
	denied := func(a Answer) bool {
		switch a.Err.Cause {
		case check.DNSNXDomain, check.DNSNoData, check.DNSDangling, check.DNSServFail, check.DNSBogus:
			return true
		default:
			return false
		}
	}
	return !slices.ContainsFunc(answers, known) && slices.ContainsFunc(answers, denied)
}
