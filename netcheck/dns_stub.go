package netcheck

import (
	"cmp"
	"context"
	"strings"

	"sallyport/netcheck/resolver"
)

// stubView is what lies behind systemd-resolved's stub on this host.
type stubView struct {
	asks   []string          // the servers that it asks in turn
	behind []resolver.Answer // what those answer, asked only where the stub failed
}

// lookBehind is one view for each of the servers, nil for those that are no stub. Where the stub gives no answer, those
// that it asks are asked themselves, so that a stub that is down is told from servers that are.
func (t DNSTarget) lookBehind(ctx context.Context, q resolver.Question, asked dnsAsked) []*stubView {
	var views []*stubView
	for i, x := range asked.servers {
		if !x.IsStub() {
			continue
		}
		if views == nil {
			views = make([]*stubView, len(asked.servers))
		}
		servers := resolver.BehindStub(cmp.Or(t.resolved, resolver.ResolvedPath))
		view := &stubView{}
		for _, s := range servers {
			view.asks = append(view.asks, s.String())
		}
		if failed := asked.answers[i].Err; failed != nil && failed.Cause != "" && !failed.Definite() && len(servers) > 0 {
			view.behind = resolver.AskAll(ctx, servers, q, t.want())
			failed.Detail += view.words()
		}
		views[i] = view
	}
	return views
}

// words tell the stub from those behind it.
func (v *stubView) words() string {
	var failing []string
	for _, a := range v.behind {
		if a.Err == nil {
			return "; " + a.Server + " behind this stub answers " + a.Verdict.Summary() + ": it is the stub that fails"
		}
		failing = append(failing, a.Server+" ("+string(a.Err.Cause)+")")
	}
	return "; behind this stub, there is no answer from " + strings.Join(failing, ", ") + " either"
}
