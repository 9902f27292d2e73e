package netcheck

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/check"
	"sallyport/netcheck/dnssec"
	"sallyport/netcheck/internal/dnsrig"
	"sallyport/netcheck/resolver"
)

// relay is a resolver that does not validate: it hands on what the server says to the same question with CD set, after edit
// has worked on it.
func relay(t *testing.T, server netip.AddrPort, edit func(*dns.Msg)) netip.AddrPort {
	t.Helper()
	return dnsrig.Fake(t, func(query []byte) [][]byte {
		q := new(dns.Msg)
		if q.Unpack(query) != nil {
			return nil
		}
		q.CheckingDisabled = true
		m, _, err := (&dns.Client{UDPSize: 4096}).Exchange(q, server.String())
		if err != nil {
			return nil
		}
		edit(m)
		raw, err := m.Pack()
		if err != nil {
			return nil
		}
		return [][]byte{raw}
	})
}

// distrustful is a resolver whose own validation fails for everything.
func distrustful(t *testing.T, server netip.AddrPort) netip.AddrPort {
	t.Helper()
	return dnsrig.Fake(t, func(query []byte) [][]byte {
		q := new(dns.Msg)
		if q.Unpack(query) != nil {
			return nil
		}
		if !q.CheckingDisabled {
			return [][]byte{dnsrig.Reply(query, func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure })}
		}
		m, _, err := (&dns.Client{UDPSize: 4096}).Exchange(q, server.String())
		if err != nil {
			return nil
		}
		raw, err := m.Pack()
		if err != nil {
			return nil
		}
		return [][]byte{raw}
	})
}

func unchanged(*dns.Msg) {}

func stripped(m *dns.Msg) {
	var kept []dns.RR
	for _, rr := range m.Answer {
		if rr.Header().Rrtype != dns.TypeRRSIG {
			kept = append(kept, rr)
		}
	}
	m.Answer = kept
}

// validatorFor trusts the key that a zone has at the server.
func validatorFor(t *testing.T, server netip.AddrPort, zone string) *dnssec.Validator {
	t.Helper()
	m, err := resolver.NewExchanger(resolver.At(server)).Ask(t.Context(), zone, dns.TypeDNSKEY)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, rr := range m.Answer {
		if rr.Header().Rrtype == dns.TypeDNSKEY {
			text.WriteString(rr.String() + "\n")
		}
	}
	anchors, err := dnssec.ParseAnchors(strings.NewReader(text.String()), zone)
	if err != nil {
		t.Fatal(err)
	}
	return dnssec.NewValidator(anchors)
}

// TestValidate holds what a check with a validator of its own says of unbound, which validates, of a resolver that does
// not, and of one that loses the signatures.
func TestValidate(t *testing.T) {
	validating := dnsrig.Unbound(t, true)
	plain, losing := relay(t, validating, unchanged), relay(t, validating, stripped)
	type to = []netip.AddrPort
	for _, c := range []struct {
		name    string
		zone    string
		servers []netip.AddrPort
		status  check.Status
		cause   check.Cause
		words   string
		remedy  string
	}{
		{"secure", "signed.test.", to{validating, plain}, check.OK, "", "is 192.0.2.1", ""},
		{"refused", "expired.test.", to{validating}, check.Fail, check.DNSBogus, "but by this host's clock ended",
			"Check this host's clock first"},
		{"not yet", "future.test.", to{plain}, check.Fail, check.DNSBogus, "begins only in", "clock first"},
		{"handed out", "forged.test.", to{plain}, check.Fail, check.DNSBogus, "or the records were changed",
			"Compare with another resolver"},
		{"beside one that refuses", "forged.test.", to{plain, validating}, check.Fail, check.DNSBogus, "2 of 2", ""},
		{"refused for the resolver's own fault", "signed.test.", to{distrustful(t, validating)}, check.Fail, check.DNSBogus,
			"it is the resolver whose clock", "clock and trust anchor"},
		{"lost", "signed.test.", to{losing}, check.Fail, check.DNSMismatch, "hands out no signatures", "with DO"},
		{"lost by one of two", "signed.test.", to{losing, plain}, check.Fail, check.DNSMismatch, "1 of 2", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			validator := validatorFor(t, validating, c.zone)
			run := DNS(DNSTarget{Query: "www." + c.zone, Type: "A", Servers: at(c.servers...), Validator: validator})
			r := run(withTimeout(t, 4*time.Second))
			if r.Status != c.status || r.Cause != c.cause || !strings.Contains(r.Detail, c.words) ||
				!strings.Contains(r.Remedy, c.remedy) {
				t.Errorf("%s %s: %s\n%s", r.Status, r.Cause, r.Detail, r.Remedy)
			}
			e := r.Evidence.(DNSEvidence).Servers[0].DNSSEC
			secure := c.cause == "" || strings.Contains(c.name, "own fault")
			if e == nil || e.Status == "secure" != secure || secure && len(e.Chain) == 0 {
				t.Errorf("the evidence says %+v", e)
			}
		})
	}
}

// TestValidateOutsideOfTheAnchor holds that a name that no anchor stands above is no success.
func TestValidateOutsideOfTheAnchor(t *testing.T) {
	server := dnsrig.Unbound(t, true)
	r := DNS(DNSTarget{Query: "www.zone.test", Type: "A", Servers: at(server),
		Validator: validatorFor(t, server, "signed.test.")})(withTimeout(t, 4*time.Second))
	if r.Status != check.Fail || r.Cause != check.DNSMismatch || !strings.Contains(r.Detail, "no trust anchor stands") {
		t.Errorf("%s %s: %s", r.Status, r.Cause, r.Detail)
	}
}

// TestVerdictsOfAnswers holds which cause a verdict gives an answer, and what comes before what.
func TestVerdictsOfAnswers(t *testing.T) {
	verdict := func(status dnssec.Status, code dnssec.Code) dnssec.Verdict {
		return dnssec.Verdict{Status: status, Reason: dnssec.Reason{Code: code, Zone: "zone.test"}}
	}
	denied := &resolver.Error{Cause: check.DNSNXDomain}
	for _, c := range []struct {
		name    string
		own     *resolver.Error
		verdict dnssec.Verdict
		cause   check.Cause
	}{
		{"secure", nil, verdict(dnssec.Secure, ""), ""},
		{"denied and secure", denied, verdict(dnssec.Secure, ""), ""},
		{"denied and bogus", denied, verdict(dnssec.Bogus, dnssec.CodeDenialMissing), check.DNSBogus},
		{"denied and unsigned", denied, verdict(dnssec.Insecure, dnssec.CodeUnsigned), ""},
		{"unsigned", nil, verdict(dnssec.Insecure, dnssec.CodeUnsigned), check.DNSMismatch},
		{"stripped", nil, verdict(dnssec.Indeterminate, dnssec.CodeStripped), check.DNSMismatch},
		{"too costly", nil, verdict(dnssec.Indeterminate, dnssec.CodeTooCostly), check.DNSBogus},
		{"no answer", nil, verdict(dnssec.Indeterminate, dnssec.CodeNoAnswer), check.DNSServFail},
		{"a target without address, and unsigned", &resolver.Error{Cause: check.DNSDangling, Minor: true},
			verdict(dnssec.Insecure, dnssec.CodeUnsigned), check.DNSMismatch},
	} {
		var cause check.Cause
		if e := judgeValidated(&resolver.Answer{Err: c.own}, c.verdict, true, false); e != nil {
			cause = e.Cause
		}
		if cause != c.cause {
			t.Errorf("%s: %q, want %q", c.name, cause, c.cause)
		}
	}
}
