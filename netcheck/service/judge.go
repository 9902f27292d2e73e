package service

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sallyport/check"
)

const (
	// stuckAfter is how long something may be without an answer: two SYNs that were lost, on a link that loses some, are
	// no fault of a firewall's.
	stuckAfter = 3 * time.Second
	// stuckTimes is how often something is sent again at the least before it is stuck.
	stuckTimes = 2
	// leftAfter is how long a program has to close what its peer has closed.
	leftAfter = time.Minute
)

// Finding is one thing about connections that is wrong, or worth knowing.
type Finding struct {
	Status check.Status `json:"status"`          // ok for what is only worth knowing
	Cause  check.Cause  `json:"cause,omitempty"` // none for what is only worth knowing
	Remote string       `json:"remote"`          // address and port
	Detail string       `json:"detail"`
	remedy string

	port    uint16
	address string // without the port
	host    string // whose address that is, as the checks resolved it; empty where none has it
}

// judge says what is wrong with connections, the worst first. Since is how long one has been seen in its state.
func (k knowledge) judge(list []Connection, since func(Connection) time.Duration) []Finding {
	var findings []Finding
	for _, c := range list {
		for _, judge := range []func(Connection, time.Duration) (Finding, bool){k.stuck, k.plain, k.left} {
			if f, found := judge(c, since(c)); found {
				f.Remote, f.port = c.Remote.String(), c.Remote.Port()
				f.address, f.host = c.Remote.Addr().String(), k.host(c.Remote.Addr())
				findings = append(findings, f)
			}
		}
	}
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(b.Status, a.Status) })
	return findings
}

// stuck finds a connection on which nothing moves.
func (k knowledge) stuck(c Connection, since time.Duration) (Finding, bool) {
	f := Finding{Status: check.Fail, Cause: check.ConnectTimeout}
	silent := c.silent()
	switch {
	case c.State == SynSent:
		if silent = max(silent, since); silent < stuckAfter {
			return f, false
		}
		f.Detail = fmt.Sprintf("no answer from %s for %s: the SYN was sent again %s", k.place(c.Remote), span(silent),
			times(c.Retransmits))
		f.remedy = letThrough(c.Remote)
	case c.Waits == WaitsForAck && c.Retransmits >= stuckTimes && silent >= stuckAfter:
		f.Detail = fmt.Sprintf("%s acknowledges nothing for %s: %d bytes were sent again %s, on a connection that was "+
			"established", k.place(c.Remote), span(silent), c.SendQueue, times(c.Retransmits))
		f.remedy = "See which firewall between, or which change of a route, forgot the connection; it lets TCP " +
			"connections through that are new, perhaps, and drops those that it does not know."
	case c.Waits == WaitsForWindow && c.Retransmits > stuckTimes && c.SendQueue > 0:
		f.Status = check.Warn
		f.Detail = fmt.Sprintf("%s takes nothing more in: %d bytes wait, and it was asked %s", k.place(c.Remote),
			c.SendQueue, times(c.Retransmits))
		f.remedy = "See whether the server is overloaded, or whether a rule of this host drops what goes out " +
			"(nft list ruleset)."
	default:
		return f, false
	}
	return f, true
}

func letThrough(to netip.AddrPort) string {
	return fmt.Sprintf("Let TCP %d through from this host to %s on every firewall between, and see that the server is up.",
		to.Port(), to.Addr())
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// plaintext are the ports of protocols that are not encrypted from their first byte: LDAP, Active Directory's global
// catalog, HTTP (IANA's registry of ports; MS-ADTS section 3.1.1.3.1.9). Only the last has a use that the guide does
// not mean: lists of revoked certificates are fetched by it (RFC 5280 section 8).
func plaintext(port uint16) (protocol string, status check.Status) {
	switch port {
	case 389:
		return "LDAP", check.Fail
	case 3268:
		return "LDAP to a global catalog", check.Fail
	case 80:
		return "HTTP", check.Warn
	}
	return "", check.OK
}

// plain finds a connection to a port without encryption.
func (k knowledge) plain(c Connection, _ time.Duration) (Finding, bool) {
	protocol, status := plaintext(c.Remote.Port())
	if t, ok := k.target(c.Remote); protocol == "" || ok && (t.StartTLS || t.Proxy) {
		return Finding{}, false
	}
	f := Finding{
		Status: status, Cause: check.PostureOutboundEncrypted,
		Detail: fmt.Sprintf("a connection to %s, which is %s without encryption unless it begins TLS within",
			k.place(c.Remote), protocol),
		remedy: "Set the tool to ldaps:// and port 636 (3269 for a global catalog).",
	}
	if c.Remote.Port() == 80 {
		f.remedy = "Set the tool to https://; if that is where its Java asks for revocation, nothing is wrong: waive it."
	}
	return f, true
}

// left finds a connection that the peer has closed and the tool has not. Nothing is wrong with the network then.
func (k knowledge) left(c Connection, since time.Duration) (Finding, bool) {
	return Finding{
		Status: check.OK,
		Detail: fmt.Sprintf("%s has closed a connection, and the tool has not for %s", k.place(c.Remote), span(since)),
	}, c.State == CloseWait && since >= leftAfter
}
