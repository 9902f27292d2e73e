package netcheck

import (
	"errors"
	"syscall"

	"sallyport/check"
	"sallyport/netcheck/dial"
)

// classifyConnect names why connect(2) failed. A refusal that the network cannot make is this host's own: EPERM is a
// control group's filter, EACCES a route of type prohibit or a sandbox, EINVAL a route of type blackhole. What ICMP
// says from elsewhere is told apart by the socket's error queue.
func classifyConnect(err error) (check.Cause, string) {
	number, _ := errors.AsType[syscall.Errno](err) // 0 when there is none
	if lacking, ok := errors.AsType[*dial.SourceError](err); ok {
		return check.ConnectSource, cleanText(lacking.Error(), maxDetail)
	}
	if answer, ok := errors.AsType[*dial.ICMPError](err); ok {
		return classifyICMP(answer, number)
	}
	switch number {
	case syscall.ECONNREFUSED:
		return check.ConnectRefused, "the connection is refused: nothing listens on the port, or a firewall resets it"
	case syscall.ECONNRESET, syscall.ECONNABORTED:
		return check.ConnectReset, "the connection is reset while it is made"
	case syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		return check.ConnectUnreachable, "the host is unreachable: this host has no way to it (" + number.Error() + ")"
	case syscall.ENETUNREACH:
		return check.ConnectUnreachable, "the network is unreachable: this host has no way to it"
	case syscall.EPERM, syscall.EACCES:
		return check.ConnectBlockedHere, "this host does not let the connection out (" + number.Error() + ")"
	case syscall.EINVAL:
		return check.ConnectBlockedHere, "this host does not let the connection out (a blackhole route, or a " +
			"link-local address without its interface)"
	case syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EADDRINUSE, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS:
		return check.ConnectSource, "this host has nothing to send from: " + number.Error()
	}
	if isTimeout(err) {
		return check.ConnectTimeout, "no answer to the connection attempt"
	}
	return check.UnknownIn(check.LayerConnect), cleanText(err.Error(), maxDetail)
}

// classifyICMP names a connection that an ICMP message ended. A prohibition that comes from this host itself, for a
// target that is another, is a firewall here; a host unreachable from here is a neighbour that does not answer.
func classifyICMP(answer *dial.ICMPError, number syscall.Errno) (check.Cause, string) {
	own := answer.Own()
	switch {
	case own && answer.Prohibits():
		return check.ConnectBlockedHere, "this host does not let the connection out: its own " + answer.Words()
	case own && answer.Unreachable():
		return check.ConnectUnreachable, "the host is unreachable: nobody on its link answers for the address"
	case number == syscall.ECONNREFUSED:
		return check.ConnectRefused, "the connection is refused: " + answer.Words()
	default:
		return check.ConnectUnreachable, "the host is unreachable: " + answer.Words()
	}
}
