package dnssec_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/netcheck/dnssec"
	"sallyport/netcheck/resolver"
)

// realCase is a question to the tree, and what its answer must be found to be.
type realCase struct {
	name   string
	kind   uint16
	status dnssec.Status
	code   dnssec.Code
	alone  bool // the resolvers of the tree say otherwise, for they know more
}

func realCases() []realCase {
	cases := []realCase{
		{"www.expired.", dns.TypeA, dnssec.Bogus, dnssec.CodeExpired, false},
		{"www.future.", dns.TypeA, dnssec.Bogus, dnssec.CodeNotYetValid, false},
		{"www.forged.", dns.TypeA, dnssec.Bogus, dnssec.CodeBadSignature, false},
		{"txt.forged.", dns.TypeTXT, dnssec.Secure, "", false},
		{"www.nosig.", dns.TypeA, dnssec.Bogus, dnssec.CodeSignatureMissing, false},
		{"nowhere.noproof.", dns.TypeA, dnssec.Bogus, dnssec.CodeDenialMissing, false},
		{"www.badds.", dns.TypeA, dnssec.Bogus, dnssec.CodeKeyMissing, false},
		{"www.ed448.", dns.TypeA, dnssec.Insecure, dnssec.CodeUnsupported, true},
		{"www.plain.", dns.TypeA, dnssec.Insecure, dnssec.CodeUnsigned, false},
		{"out.plain.", dns.TypeA, dnssec.Insecure, dnssec.CodeUnsigned, false},
		{"nowhere.plain.", dns.TypeA, dnssec.Insecure, dnssec.CodeUnsigned, false},
		{"plain.", dns.TypeDS, dnssec.Secure, "", false},
		{"www.plain.opt.", dns.TypeA, dnssec.Insecure, dnssec.CodeOptOut, false},
		{"www.sub.opt.", dns.TypeA, dnssec.Secure, "", false},
		{"sub.opt.", dns.TypeDS, dnssec.Secure, "", false},
		{"nowhere.opt.", dns.TypeA, dnssec.Insecure, dnssec.CodeOptOut, false},
		{"www.opt.", dns.TypeMX, dnssec.Secure, "", false},
		{"www.many.", dns.TypeA, dnssec.Secure, "", false},
		{"nowhere.many.", dns.TypeA, dnssec.Insecure, dnssec.CodeIterations, false},
		{".", dns.TypeDNSKEY, dnssec.Secure, "", false},
		{".", dns.TypeSOA, dnssec.Secure, "", false},
		{"nowhere.", dns.TypeA, dnssec.Secure, "", false},
		{"below.nowhere.", dns.TypeA, dnssec.Secure, "", false},
	}
	for _, zone := range []string{"ec.", "rsa.", "old.", "ldns.", "ed."} {
		for name, kind := range map[string]uint16{
			"www": dns.TypeA, "alias": dns.TypeA, "out": dns.TypeA, "far": dns.TypeA, "lost": dns.TypeA, "txt": dns.TypeTXT,
			"a.wild": dns.TypeA, "a.b.wild": dns.TypeA, "ent": dns.TypeA, "nowhere": dns.TypeA, "a.nowhere": dns.TypeA,
			"www.moved": dns.TypeA, "nowhere.moved": dns.TypeA, "*.wild": dns.TypeA, "x.www": dns.TypeA,
		} {
			cases = append(cases, realCase{name + "." + zone, kind, dnssec.Secure, "", false})
		}
		for _, name := range []string{"www", "a.wild", "ent", "alias"} {
			cases = append(cases, realCase{name + "." + zone, dns.TypeMX, dnssec.Secure, "", false})
		}
		cases = append(cases, realCase{zone, dns.TypeDNSKEY, dnssec.Secure, "", false},
			realCase{zone, dns.TypeDS, dnssec.Secure, "", false},
			realCase{"www." + zone, dns.TypeDS, dnssec.Secure, "", false})
	}
	return cases
}

// TestRealTree holds that our verdicts about answers of real, signed zones are right, and those that unbound and named
// come to by themselves.
func TestRealTree(t *testing.T) {
	w := newTree(t)
	anchors, err := dnssec.ParseAnchors(strings.NewReader(w.anchor), "the tree's root")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{treeUnbound, treeResolver, treeTrusting} {
		asked := resolver.NewExchanger(resolver.At(netip.AddrPortFrom(netip.MustParseAddr(address), 53)))
		validator := dnssec.NewValidator(anchors)
		for _, c := range realCases() {
			c.holds(t, validator, asked)
		}
	}
	losing := resolver.NewExchanger(resolver.At(netip.AddrPortFrom(netip.MustParseAddr(treeLosing), 53)))
	for _, c := range []realCase{{name: "www.ec.", kind: dns.TypeA}, {name: "nowhere.rsa.", kind: dns.TypeA}} {
		answer, err := losing.Ask(t.Context(), c.name, c.kind)
		if err != nil {
			t.Fatal(err)
		}
		v := dnssec.NewValidator(anchors).Validate(t.Context(), losing.Ask, dnssec.Question{Name: c.name, Type: c.kind},
			answer, time.Now())
		if v.Status != dnssec.Indeterminate || v.Reason.Code != dnssec.CodeStripped {
			t.Errorf("%s at a resolver that loses signatures: %s", c.name, v)
		}
	}
}

// said is what the resolvers that validate say of the case by themselves.
func (c realCase) said(t *testing.T, asked *resolver.Exchanger) dnssec.Status {
	t.Helper()
	if c.alone || strings.HasPrefix(asked.String(), treeTrusting) {
		return c.status
	}
	return saidBy(t, asked.String(), c)
}

func (c realCase) holds(t *testing.T, validator *dnssec.Validator, asked *resolver.Exchanger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answer, err := asked.Ask(ctx, c.name, c.kind)
	if err != nil {
		t.Fatalf("%s at %s: %v", c.name, asked, err)
	}
	v := validator.Validate(ctx, asked.Ask, dnssec.Question{Name: c.name, Type: c.kind}, answer, time.Now())
	if v.Status != c.status || v.Reason.Code != c.code {
		t.Errorf("%s %s at %s: %s (%s), want %s %s\n%v", c.name, dns.Type(c.kind), asked, v, v.Reason.Code, c.status, c.code,
			answer)
	}
	if said := c.said(t, asked); said != c.status {
		t.Errorf("%s %s: %s itself says %s, and the test %s", c.name, dns.Type(c.kind), asked, said, c.status)
	}
	if c.status == dnssec.Secure && (len(v.Chain) == 0 || len(v.Sets) == 0 || v.Until.Before(time.Now())) {
		t.Errorf("%s: no evidence of the chain: %+v", c.name, v)
	}
}

// saidBy is what the resolver itself makes of the question.
func saidBy(t *testing.T, server string, c realCase) dnssec.Status {
	t.Helper()
	m := new(dns.Msg).SetQuestion(c.name, c.kind)
	m.SetEdns0(4096, true)
	reply, err := dns.Exchange(m, server)
	switch {
	case err != nil:
		t.Fatalf("%s at %s: %v", c.name, server, err)
		return dnssec.Indeterminate
	case reply.Rcode == dns.RcodeServerFailure:
		return dnssec.Bogus
	case reply.AuthenticatedData:
		return dnssec.Secure
	default:
		return dnssec.Insecure
	}
}
