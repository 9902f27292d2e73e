package netcheck

import (
	"errors"
	"fmt"

	"sallyport/check"
	"sallyport/netcheck/resolver"
)

// remedyDNS is what to do about a failed resolution, in one sentence.
func remedyDNS(e *resolver.Error, expect []string) string {
	server := "the resolver"
	if e.Server != "" {
		server = e.Server
	}
	if refused, ok := errors.AsType[*unvalidated](e.Err); ok {
		return refused.remedy(server)
	}
	if remedy := remedyFault(e, server); remedy != "" {
		return remedy
	}
	switch e.Cause {
	case check.DNSNXDomain:
		return fmt.Sprintf("Check the spelling of %s, and that the zone which %s answers from has it.", e.Name, server)
	case check.DNSNoData:
		return fmt.Sprintf("Add a record of type %s for %s to its zone, or check another type.", e.Type, e.Name)
	case check.DNSServFail:
		return fmt.Sprintf("Look into the log of %s: it cannot get an answer from the name servers of %s.", server,
			e.Name)
	case check.DNSRefused:
		return fmt.Sprintf("Let %s answer this host (access list, recursion), or name another resolver.", server)
	case check.DNSTimeout:
		return fmt.Sprintf("Check that %s is up and that no firewall on the way drops UDP and TCP to its port.", server)
	case check.DNSUnreachable:
		return fmt.Sprintf("Start the DNS service on %s, or mend the route or firewall that turns packets away.",
			server)
	case check.DNSBogus:
		return fmt.Sprintf("Have the signatures of the zone of %s renewed, and check the clock and trust anchor of %s.",
			e.Name, server)
	case check.DNSMismatch:
		return remedyMismatch(e, server, expect)
	case check.DNSMalformed:
		return fmt.Sprintf("Find out what answers as %s: a middlebox that rewrites DNS, or a broken server.", server)
	case check.DNSDangling:
		return fmt.Sprintf("Correct or remove the CNAME record that %s leads through: its target is not there.", e.Name)
	case check.DNSNoResolver:
		return `Write a line "nameserver ADDRESS" into /etc/resolv.conf, or name the servers in the check.`
	default:
		return remedySecure(e.Cause, server)
	}
}

// remedySecure is for what may be wrong with a server that is asked by TLS or HTTPS.
func remedySecure(cause check.Cause, server string) string {
	switch cause {
	case check.HTTPStatus, check.HTTPMalformed:
		return fmt.Sprintf("Check that %s is where the server takes DNS over HTTPS, and look into its log.", server)
	case check.CertNameMismatch:
		return fmt.Sprintf("Write a name that its certificate has into the check's servers (after # in tls://, as the host "+
			"in https://), or install a certificate at %s that has this one.", server)
	default:
		return remedyFor(cause, server)
	}
}

// remedyFault is for what a cause alone does not say; empty where it does.
func remedyFault(e *resolver.Error, server string) string {
	switch e.Fault {
	case resolver.Unvalidated:
		return fmt.Sprintf("Have %s validate (its trust anchor; the zone of %s must be signed), or write dnssec: off.",
			server, e.Name)
	case resolver.Internal:
		return fmt.Sprintf("Write the address under expect if %s is meant to lead inside (split DNS); else find out why %s "+
			"answers so.", e.Name, server)
	case resolver.NotOffered:
		return fmt.Sprintf("Ask who runs the zone of %s: it says on purpose that there is no such service.", e.Name)
	case resolver.DeadTargets:
		return fmt.Sprintf("Give the targets their addresses again, or take them out of the SRV records of %s.", e.Name)
	case resolver.TooManyLinks:
		return fmt.Sprintf("Let %s lead to its end by fewer aliases: resolvers follow some eleven of them.", e.Name)
	default:
		return ""
	}
}

func remedyMismatch(e *resolver.Error, server string, expect []string) string {
	if len(expect) > 0 {
		return fmt.Sprintf("Correct the record of %s at %s, or the check's expect if the new answer is meant.", e.Name,
			server)
	}
	return fmt.Sprintf("Find out why %s answers so for %s: /etc/hosts-style overrides, a blocklist, or poisoning.",
		server, e.Name)
}
