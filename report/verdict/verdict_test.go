package verdict

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/report/internal/golden"
)

// evidence is what all kinds of evidence may say.
type evidence struct {
	resolver, issuer, proxy, account, java string
	ahead                                  *time.Duration
	blockers                               []string
	meets                                  []check.Endpoint
	complains                              map[string][]string
}

func (e evidence) Blockers() []string                     { return e.blockers }
func (e evidence) Meets() []check.Endpoint                { return e.meets }
func (e evidence) Complains() iter.Seq2[string, []string] { return maps.All(e.complains) }

func (e evidence) Resolvers() []string {
	if e.resolver == "" {
		return nil
	}
	return []string{e.resolver}
}
func (e evidence) Issuer() string       { return e.issuer }
func (e evidence) ProxyAddress() string { return e.proxy }
func (e evidence) Account() string      { return e.account }
func (e evidence) JavaStore() string    { return e.java }
func (e evidence) ClockAhead() (time.Duration, bool) {
	if e.ahead == nil {
		return 0, false
	}
	return *e.ahead, true
}

// made is a result of the check, told in the shortest way: each endpoint as address, or as address and its own cause.
func made(name, kind, target string, status check.Status, cause check.Cause, endpoints ...string) check.Result {
	r := check.Result{Check: name, Kind: kind, Target: target, Status: status, Cause: cause, Layer: cause.Layer()}
	for _, e := range endpoints {
		address, own, told := strings.Cut(e, "=")
		one := check.Endpoint{Address: address, Status: check.Fail, Cause: cause}
		switch {
		case told && own == "ok", status == check.OK:
			one.Status, one.Cause = check.OK, ""
		case told:
			one.Cause = check.Cause(own)
		case status == check.Warn && cause.Layer() != check.LayerDNS:
			one.Status = check.Warn
		}
		r.Endpoints = append(r.Endpoints, one)
	}
	if cause != "" {
		r.Detail, r.Remedy = "what was seen of "+string(cause), "Mend "+string(cause)+" of "+name+"."
	}
	return r
}

func with(r check.Result, e evidence) check.Result {
	r.Evidence = e
	return r
}

func skipped(name, after string) check.Result {
	r := check.Check{Name: name, Kind: check.KindTLS, Target: name + ".example:443"}.Skip(after, time.Time{})
	return r
}

const dn = "CN=uds,OU=Service,DC=corp,DC=example"

func address(s string) netip.Addr { return netip.MustParseAddr(s) }

// network is a host on 10.0.0.0/24 with a gateway.
func network(gateway Neighbour) Facts {
	return Facts{
		Known: true, Default: true, Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
		Interfaces: []Interface{{Name: "eth0", Up: true, Running: true, Addresses: 1}},
		Gateways:   []Gateway{{Address: address("10.0.0.1"), Interface: "eth0", State: gateway}},
	}
}

// The results that are well, of which a scenario spoils some.
func resolves() check.Result {
	return made("resolver", "dns", "console.example A", check.OK, "", "10.0.0.53:53")
}
func cloud() check.Result {
	return made("console", "tls", "console.example:443", check.OK, "", "203.0.113.7:443")
}
func directory() check.Result {
	return made("directory", "ldaps", "dc1.corp.example:636", check.OK, "", "10.0.0.36:636")
}
func ruleset() check.Result { return made("firewall", "firewall", "inet sallyport", check.OK, "") }

func unresolved(name, kind, target string, cause check.Cause, resolver string) check.Result {
	return with(made(name, kind, target, check.Fail, cause), evidence{resolver: resolver})
}

type scenario struct {
	facts   Facts
	results []check.Result
}

func scenarios() map[string]scenario {
	all := map[string]scenario{}
	for _, some := range []map[string]scenario{
		networkScenarios(), nameScenarios(), certificateScenarios(), serverScenarios(), otherScenarios(),
		serviceScenarios(), blockedScenarios(), orderScenarios(),
	} {
		for name, s := range some {
			all[name] = s
		}
	}
	return all
}

func networkScenarios() map[string]scenario {
	const silent = check.ConnectTimeout
	down := network(NeighbourUnknown)
	down.Interfaces[0].Running = false
	noroute := network(NeighbourUnknown)
	noroute.Default, noroute.Gateways = false, nil
	beyond := []check.Result{
		made("resolver", "dns", "console.example A", check.Fail, check.DNSTimeout, "192.0.2.53:53"),
		made("console", "tls", "203.0.113.7:443", check.Fail, check.ConnectUnreachable, "203.0.113.7:443"),
		unresolved("api", "tls", "api.example:443", check.DNSTimeout, "192.0.2.53:53"),
		directory(), ruleset(), skipped("portal", "resolver"),
	}
	return map[string]scenario{
		"link-down": {down, []check.Result{
			made("resolver", "dns", "console.example A", check.Fail, check.DNSUnreachable, "10.0.0.53:53"),
			made("directory", "ldaps", "10.0.0.36:636", check.Fail, check.ConnectUnreachable, "10.0.0.36:636"), ruleset(),
		}},
		"no-route":       {noroute, beyond},
		"gateway-silent": {network(NeighbourSilent), beyond},
		"gateway-answers-nothing-beyond": {network(NeighbourAnswers), []check.Result{
			made("console", "tls", "203.0.113.7:443", check.Fail, silent, "203.0.113.7:443"),
			made("api", "tls", "198.51.100.7:443", check.Fail, silent, "198.51.100.7:443"), directory(), ruleset(),
		}},
		"gateway-stale-but-something-answers": {network(NeighbourSilent), []check.Result{
			made("console", "tls", "203.0.113.7:443", check.Fail, silent, "203.0.113.7:443"),
			made("api", "tls", "198.51.100.7:443", check.OK, "", "198.51.100.7:443"),
		}},
		"port-dropped": {network(NeighbourAnswers), []check.Result{
			made("dc1", "ldaps", "dc1.corp.example:636", check.Fail, silent, "192.0.2.1:636"),
			made("dc2", "ldaps", "dc2.corp.example:636", check.Fail, silent, "192.0.2.2:636"),
			made("dc3", "ldaps", "dc3.corp.example:636", check.Fail, silent, "192.0.2.3:636"), resolves(), cloud(),
		}},
		"host-down": {network(NeighbourAnswers), []check.Result{
			made("dc1", "ldaps", "dc1.corp.example:636", check.Fail, silent, "10.0.0.36:636"),
			made("dc1-web", "tls", "dc1.corp.example:443", check.Fail, silent, "10.0.0.36:443"),
			made("ad-dns", "dns", "corp.example A", check.Fail, check.DNSTimeout, "10.0.0.36:53"), cloud(), resolves(),
		}},
		"host-answers-one-port": {Facts{}, []check.Result{
			made("dc1", "ldaps", "dc1.corp.example:636", check.Fail, silent, "10.0.0.36:636"),
			made("dc1-web", "tls", "dc1.corp.example:443", check.Fail, silent, "10.0.0.36:443"),
			made("ad-dns", "dns", "corp.example A", check.OK, "", "10.0.0.36:53"),
		}},
		"blocked-here": {Facts{}, []check.Result{
			made("console", "tls", "console.example:443", check.Fail, check.ConnectBlockedHere, "203.0.113.7:443"),
			made("dc1", "ldaps", "dc1.corp.example:636", check.Fail, check.ConnectBlockedHere, "10.0.0.36:636"), resolves(),
		}},
	}
}

func nameScenarios() map[string]scenario {
	dns := func(name, query string, cause check.Cause, at ...string) check.Result {
		return made(name, "dns", query+" A", check.Fail, cause, at...)
	}
	warned := func(name, query string) check.Result {
		r := made(name, "dns", query+" A", check.Warn, check.DNSTimeout, "10.0.0.53:53=dns.timeout", "10.0.0.54:53=ok")
		return r
	}
	return map[string]scenario{
		"resolver-down": {Facts{}, []check.Result{
			dns("resolver", "console.example", check.DNSTimeout, "10.0.0.53:53"),
			dns("resolver-ad", "dc1.corp.example", check.DNSTimeout, "10.0.0.53:53"),
			unresolved("console", "tls", "console.example:443", check.DNSTimeout, "10.0.0.53:53"),
			unresolved("api", "tls", "api.example:443", check.DNSTimeout, "10.0.0.53:53"),
			unresolved("directory", "ldaps", "dc1.corp.example:636", check.DNSTimeout, "10.0.0.53:53"), ruleset(),
		}},
		"resolver-one-of-two": {Facts{}, []check.Result{
			warned("resolver", "console.example"), warned("resolver-ad", "dc1.corp.example"), cloud(), directory(),
		}},
		"resolver-refuses": {Facts{}, []check.Result{
			dns("resolver", "console.example", check.DNSRefused, "10.0.0.53:53"),
			dns("resolver-ad", "dc1.corp.example", check.DNSRefused, "10.0.0.53:53"), skipped("console", "resolver"),
		}},
		"resolver-bogus": {Facts{}, []check.Result{
			dns("resolver", "console.example", check.DNSBogus, "10.0.0.53:53", "10.0.0.54:53"),
			dns("resolver-ad", "dc1.corp.example", check.DNSBogus, "10.0.0.53:53", "10.0.0.54:53"),
		}},
		"no-resolver": {Facts{}, []check.Result{
			dns("resolver", "console.example", check.DNSNoResolver),
			made("console", "tls", "console.example:443", check.Fail, check.DNSNoResolver),
		}},
		"name-missing": {Facts{}, []check.Result{
			dns("resolver", "console.example", check.DNSNXDomain, "10.0.0.53:53"), skipped("console", "resolver"),
			skipped("portal", "console"),
			unresolved("api", "tls", "Console.example.:8443", check.DNSNXDomain, "10.0.0.53:53"),
			directory(), ruleset(),
		}},
		"name-without-one-type": {Facts{}, []check.Result{
			made("six", "dns", "console.example AAAA", check.Fail, check.DNSNoData, "10.0.0.53:53"),
			dns("resolver", "console.example", check.DNSBogus, "10.0.0.53:53"), skipped("console", "resolver"),
			made("resolver-ad", "dns", "dc1.corp.example A", check.OK, "", "10.0.0.53:53"), directory(),
		}},
		"name-servfail-alone": {Facts{}, []check.Result{
			dns("resolver", "console.example", check.DNSServFail, "10.0.0.53:53"),
			made("resolver-ad", "dns", "dc1.corp.example A", check.OK, "", "10.0.0.53:53"), directory(),
		}},
		"name-silent-alone": {Facts{}, []check.Result{
			dns("resolver", "console.example", check.DNSTimeout, "10.0.0.53:53"),
			made("resolver-ad", "dns", "dc1.corp.example A", check.OK, "", "10.0.0.53:53"), directory(),
		}},
		"name-misleads": {Facts{}, []check.Result{
			dns("resolver", "console.example", check.DNSMismatch, "10.0.0.53:53"),
			made("console", "tls", "console.example:443", check.Fail, check.CertUnknownAuthority, "10.0.0.66:443"),
			directory(),
		}},
	}
}

func certificateScenarios() map[string]scenario {
	ahead := func(d time.Duration) evidence { return evidence{ahead: &d} }
	tls := func(name string, cause check.Cause, e evidence) check.Result {
		return with(made(name, "tls", name+".example:443", check.Fail, cause, "203.0.113."+fmt.Sprint(len(name))+":443"), e)
	}
	const days = 72 * time.Hour
	java := evidence{java: "/opt/uds/jre/lib/security/cacerts"}
	inspects := evidence{issuer: "CN=Proxy CA,O=Corp"}
	return map[string]scenario{
		"clock-ours": {Facts{}, []check.Result{
			tls("console", check.ClockSkew, ahead(days)), tls("api", check.ClockSkew, ahead(days+time.Second)),
			tls("directory", check.CertNotYetValid, evidence{}), resolves(),
		}},
		"clock-theirs": {Facts{}, []check.Result{
			tls("api", check.ClockSkew, ahead(-days)), with(cloud(), ahead(time.Second)), resolves(),
		}},
		"clock-one-of-two": {Facts{}, []check.Result{tls("console", check.ClockSkew, ahead(days)), resolves()}},
		"clock-likely": {Facts{}, []check.Result{
			tls("console", check.CertNotYetValid, evidence{}), tls("api", check.CertNotYetValid, evidence{}), resolves(),
		}},
		"clock-vouched": {Facts{}, []check.Result{
			tls("console", check.CertExpired, ahead(time.Second)), tls("api", check.CertExpired, evidence{}), resolves(),
		}},
		"intercepted": {Facts{}, []check.Result{
			tls("console", check.CertIntercepted, inspects), tls("api", check.CertUnknownAuthority, inspects), directory(),
		}},
		"authority-unknown": {Facts{}, []check.Result{
			tls("console", check.CertUnknownAuthority, inspects), tls("api", check.CertUnknownAuthority, inspects),
		}},
		"java-store": {Facts{}, []check.Result{
			tls("console", check.CertJavaUntrusted, java), tls("api", check.CertJavaUntrusted, java), resolves(),
			directory(),
		}},
		"one-expired": {Facts{}, []check.Result{
			tls("console", check.CertExpired, evidence{}), directory(), resolves(), ruleset(),
		}},
	}
}

func serverScenarios() map[string]scenario {
	dc := func(name string, cause check.Cause, account string) check.Result {
		r := made(name, "ldaps", name+".corp.example:636", check.Fail, cause, "10.0.0."+name[2:]+":636")
		return with(r, evidence{account: account})
	}
	proxy := evidence{proxy: "10.0.0.8:3128"}
	via := func(name string, cause check.Cause) check.Result {
		at := name + ".example:443 via 10.0.0.8:3128"
		return with(made(name, "tls", name+".example:443", check.Fail, cause, at), proxy)
	}
	return map[string]scenario{
		"proxy-refused": {Facts{}, []check.Result{
			via("console", check.ProxyRefused), via("api", check.ProxyRefused), directory(), resolves(),
		}},
		"account-locked": {Facts{}, []check.Result{
			dc("dc1", check.LDAPAccountLocked, dn), dc("dc2", check.LDAPNotRetried, strings.ToLower(dn)), cloud(),
		}},
		"accounts-two": {Facts{}, []check.Result{
			dc("dc1", check.LDAPBadPassword, dn), dc("dc2", check.LDAPPasswordExpired, "CN=other"), cloud(),
		}},
		"directory-one-of-two": {Facts{}, []check.Result{
			made("directory", "ldaps", "corp.example", check.Warn, check.ConnectRefused,
				"dc1.corp.example:636=ok", "dc2.corp.example:636"), cloud(),
		}},
		"directory-two-checks": {Facts{}, []check.Result{
			made("staff", "ldaps", "dc1.corp.example:636", check.Fail, check.ConnectRefused, "10.0.0.36:636"),
			made("groups", "ldaps", "dc1.corp.example:636", check.Fail, check.ConnectRefused, "10.0.0.36:636"), cloud(),
		}},
		"directory-busy": {Facts{}, []check.Result{dc("dc1", check.LDAPBusy, dn), cloud(), ruleset()}},
	}
}

func otherScenarios() map[string]scenario {
	exposed := made("firewall", "firewall", "inet sallyport", check.Fail, check.FirewallMissing)
	expiring := made("console", "tls", "console.example:443", check.Warn, check.CertExpiring, "203.0.113.7:443")
	waived := made("posture.least.remote", "posture", "sshd", check.Waived, "posture.least.remote")
	untold := check.Result{Check: "api", Kind: check.KindTLS, Target: "api.example:443"}
	other := untold
	other.Check = "portal"
	hostile := made("bad", "tls", "bad.example:443", check.Fail, check.TLSAlert, "203.0.113.9:443")
	hostile.Detail = "it says \x1b[2J \u202e\n| " + strings.Repeat("a", 5000)
	return map[string]scenario{
		"all-well":      {Facts{}, []check.Result{resolves(), cloud(), directory(), ruleset()}},
		"well-or-waive": {Facts{}, []check.Result{resolves(), waived}},
		"nothing":       {},
		"independent":   {Facts{}, []check.Result{exposed, expiring, directory(), resolves()}},
		"not-yet-run":   {Facts{}, []check.Result{untold, other, resolves()}},
		"hostile-text":  {Facts{}, []check.Result{hostile, resolves()}},
	}
}

// show is a verdict as a page of text.
func show(v Verdict) string {
	var b strings.Builder
	root := func(r Root) {
		fmt.Fprintf(&b, "%s %s, layer %q\n%s\n", r.Status, r.Cause, r.Layer, r.Sentence)
		for _, line := range r.Evidence {
			fmt.Fprintf(&b, "  seen: %s\n", line)
		}
		fmt.Fprintf(&b, "  first: %s\n  affected: %s\n", r.First, strings.Join(r.Affected, ", "))
	}
	root(v.Root)
	fmt.Fprintf(&b, "  unaffected: %s\n  well: %s\n", strings.Join(v.Unaffected, ", "), v.Well)
	for _, r := range v.Others {
		b.WriteString("\n")
		root(r)
	}
	return b.String()
}

func TestScenarios(t *testing.T) {
	for name, s := range scenarios() {
		t.Run(name, func(t *testing.T) {
			v := Of(s.results, s.facts)
			golden.Compare(t, name+".txt", show(v))
			golden.Shown(t, show(v))
			explained(t, s.results, v)
			backwards := slices.Clone(s.results)
			slices.Reverse(backwards)
			if again := show(Of(backwards, s.facts)); again != show(v) {
				t.Errorf("in another order:\n%s", again)
			}
		})
	}
}

// explained holds that every result that is not well belongs to exactly one root, and nothing that is well to any.
func explained(t *testing.T, results []check.Result, v Verdict) {
	t.Helper()
	roots := v.Others
	if unwell(v.Status) && len(results) > 0 {
		roots = append([]Root{v.Root}, roots...)
	}
	count := map[string]int{}
	for _, r := range roots {
		if !unwell(r.Status) || r.Sentence == "" || len(r.Affected) == 0 || len(r.Evidence) > maxEvidence {
			t.Errorf("a root that is none: %+v", r)
		}
		for _, name := range r.Affected {
			count[name]++
		}
	}
	for _, r := range results {
		name, want := clean(r.Check), 0
		switch {
		case unwell(r.Status):
			want = 1
		case r.Status == check.Skipped:
			want = min(count[name], 1) // of one that is not among the results, nothing is known
		}
		if count[name] != want {
			t.Errorf("%s (%s) belongs to %d roots, want %d", r.Check, r.Status, count[name], want)
		}
		if slices.Contains(v.Unaffected, name) != (r.Status == check.OK) {
			t.Errorf("%s (%s): unaffected are %v", r.Check, r.Status, v.Unaffected)
		}
	}
}

// TestJSON holds the keys: those of the root stand beside the verdict's own.
func TestJSON(t *testing.T) {
	s := nameScenarios()["resolver-one-of-two"]
	raw, err := json.Marshal(Of(s.results, s.facts))
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(raw, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"status", "cause", "layer", "sentence", "evidence", "first", "affected", "unaffected"} {
		if keys[key] == nil {
			t.Errorf("no %s in %s", key, raw)
		}
	}
	var back Verdict
	if err := json.Unmarshal(raw, &back); err != nil || show(back) != show(Of(s.results, s.facts)) {
		t.Errorf("read back: %v\n%s", err, show(back))
	}
}
