package netcheck

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"sallyport/check"
	"sallyport/netcheck/resolver"
	"sallyport/tlsprobe"
)

// alertWait is how long a check waits for a TLS 1.3 server's refusal of a client without a certificate. Only servers
// that ask for one are waited for, and one that sends a session ticket ends the wait.
const alertWait = time.Second

// TLS is the run of a check of the kind tls: the name is resolved, each of its addresses is connected to and shaken
// hands with, and the certificates are judged. See overall for what some failing addresses mean. Nothing is sent over
// the connections, unless the target has a request; the evidence is a *TLSEvidence.
func TLS(target TLSTarget) func(context.Context) check.Result {
	target.Server = target.remembering()
	target.clock, target.https = target.dateOf, true
	if target.HTTP != nil {
		target.ALPN = slices.DeleteFunc(slices.Clone(target.ALPN), func(p string) bool { return p == "h2" })
	}
	return func(ctx context.Context) check.Result {
		attempts, err := target.reachAll(ctx)
		if err != nil {
			r := unresolved(err, target.String())
			r.Detail += target.javaNow().goes()
			if server := resolverOf(err); server != "" {
				r.Evidence = UnreachedEvidence{Resolver: server}
			}
			return r
		}
		r := overall(endpointsOf(attempts))
		if shown := newTLSEvidence(attempts); shown != nil {
			r.Evidence = shown
		} else if proxy := proxyOf(attempts); proxy != "" {
			r.Evidence = UnreachedEvidence{Proxy: proxy}
		}
		if r.Status == check.OK {
			r.Detail = describe(attempts) + javaNews(attempts)
		}
		r.Detail += attempts[0].java.goes()
		r.Remedy = cmp.Or(remedyJava(r.Cause, attempts, target.Roots), remedyFor(r.Cause, target.String()))
		target.shown.noteChange(&r, attempts, target.String())
		return r
	}
}

// reachAll tries every address, and sends the request where there is one: its answer tells of a want of a client
// certificate as well, so that nothing is waited for.
func (t TLSTarget) reachAll(ctx context.Context) ([]attempt, error) {
	if t.HTTP != nil {
		return t.reach(ctx, tlsprobe.Options{}, t.ask)
	}
	return t.reach(ctx, tlsprobe.Options{AwaitAlert: alertWait}, nil)
}

// unresolved is the result of a target whose name has no address.
func unresolved(err error, target string) check.Result {
	cause, detail := Classify(err)
	r := check.Result{Status: check.Fail, Cause: cause, Detail: detail, Remedy: remedyFor(cause, target)}
	if told, ok := errors.AsType[*resolver.Error](err); ok {
		r.Remedy = remedyDNS(told, nil)
	}
	if cause == "" {
		r.Status = check.Unknown
	}
	return r
}

// asked says what a server that asks for a client certificate, and is content, was given.
func asked(f tlsprobe.Facts) string {
	if f.ClientCertificateSent {
		return "and takes ours"
	}
	return "but the handshake goes without one"
}

// describe says in one sentence what is well: the protocol, until when, and what is remarkable.
func describe(attempts []attempt) string {
	var good, skipped int
	var first *attempt
	var ends time.Time
	for i := range attempts {
		a := &attempts[i]
		if a.skipped != "" {
			skipped++
			continue
		}
		good++
		if first == nil {
			first = a
		}
		if leaf := a.facts.Certificates[0]; ends.IsZero() || leaf.NotAfter.Before(ends) {
			ends = leaf.NotAfter
		}
	}
	text := fmt.Sprintf("%s, certificate valid until %s", tls.VersionName(first.facts.Version),
		ends.UTC().Format("2006-01-02 15:04 UTC"))
	if good > 1 {
		text += fmt.Sprintf(", at each of %d addresses", good)
	}
	if skipped > 0 {
		text += fmt.Sprintf("; %d more without a route from this host", skipped)
	}
	if first.answer != nil {
		text += ", HTTP " + statusLine(*first.answer)
	}
	text += first.stapleNote()
	if first.facts.ClientCertificateRequested {
		text += "; it asks for a client certificate, " + asked(first.facts)
	}
	return text
}
