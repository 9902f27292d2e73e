package netcheck

import (
	"errors"
	"syscall"

	"sallyport/check"
)

// classifyConnect names why connect(2) failed. A refusal that the network cannot make is this host's own: EPERM is a
// control group's filter, EACCES a route of type prohibit or a sandbox, EINVAL a route of type blackhole. An ICMP
// answer, administratively prohibited among them, is EHOSTUNREACH or ECONNREFUSED.
func classifyConnect(err error) (check.Cause, string) {
	var number syscall.Errno
	errors.As(err, &number) // 0 when there is none
	switch number {
	case syscall.ECONNREFUSED:
		return check.ConnectRefused, "the connection is refused: nothing listens on the port, or a firewall resets it"
	case syscall.ECONNRESET, syscall.ECONNABORTED:
		return check.ConnectReset, "the connection is reset while it is made"
	case syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		return check.ConnectUnreachable, "the host is unreachable: " + unreachableWords(err, number)
	case syscall.ENETUNREACH:
		return check.ConnectUnreachable, "the network is unreachable: " + unreachableWords(err, number)
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

func unreachableWords(err error, number syscall.Errno) string {
	if answer, ok := errors.AsType[*icmpError](err); ok {
		return answer.words()
	}
	return number.Error()
}
