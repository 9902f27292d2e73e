package verdict

import (
	"iter"
	"slices"
	"time"

	"sallyport/check"
)

// What evidence may say by itself. Evidence without the method, as that which was read from JSON, says nothing.
type (
	// resolved is evidence that names the resolvers by which a name of the check could not be resolved, as the endpoints of
	// a DNS check name them.
	resolved interface{ Resolvers() []string }
	// issued is evidence that names the authority at the end of the chain which a server sent.
	issued interface{ Issuer() string }
	// proxied is evidence that names the proxy on the way, as address:port.
	proxied interface{ ProxyAddress() string }
	// bound is evidence that names the account of a directory which the check binds as.
	bound interface{ Account() string }
	// clocked is evidence that tells by how much the server's clock is ahead of this host's, where it was asked.
	clocked interface {
		ClockAhead() (ahead time.Duration, known bool)
	}
	// javan is evidence that names the trust store of the service's Java by which the chain was judged.
	javan interface{ JavaStore() string }
	// blocked is evidence that tells who on this host ends connections, each as the beginning of a sentence that the hosts
	// end which cannot be reached for it.
	blocked interface{ Blockers() []string }
	// meeting is evidence of what the service itself meets: at its connections, each fault as an endpoint, and what its log
	// complains of now, with the checks that find the same.
	meeting interface {
		Meets() []check.Endpoint
		Complains() iter.Seq2[string, []string]
	}
)

// blockersOf are those of a result, each once.
func blockersOf(r check.Result) []string {
	e, ok := r.Evidence.(blocked)
	if !ok {
		return nil
	}
	all := slices.Sorted(slices.Values(e.Blockers()))
	return slices.Compact(all)
}

func resolversOf(r check.Result) []string {
	if e, ok := r.Evidence.(resolved); ok {
		return e.Resolvers()
	}
	return nil
}

func issuerOf(r check.Result) string {
	if e, ok := r.Evidence.(issued); ok {
		return e.Issuer()
	}
	return ""
}

func proxyOf(r check.Result) string {
	if e, ok := r.Evidence.(proxied); ok {
		return e.ProxyAddress()
	}
	return ""
}

func accountOf(r check.Result) string {
	if e, ok := r.Evidence.(bound); ok {
		return e.Account()
	}
	return ""
}

func clockAheadOf(r check.Result) (time.Duration, bool) {
	if e, ok := r.Evidence.(clocked); ok {
		return e.ClockAhead()
	}
	return 0, false
}

func javaStoreOf(r check.Result) string {
	if e, ok := r.Evidence.(javan); ok {
		return e.JavaStore()
	}
	return ""
}
