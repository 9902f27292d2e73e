package netcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"sallyport/check"
	"sallyport/netcheck/dial"
	"sallyport/tlsprobe/jvm"
)

// Proxy is an HTTP proxy through which a server is reached (CONNECT, RFC 9110 section 9.3.6). The server's name is sent to
// it as it is: a JVM too leaves it to the proxy to resolve.
type Proxy struct {
	Host         string // a name, or an IP address
	Port         uint16
	User         string // empty: nobody; without a colon (RFC 7617 section 2)
	PasswordFile string // read when the proxy asks for it, at most 4 KiB, without one line end after the password

	// Refused remembers a password that the proxy has refused, so that it is tried once. Nil: each run tries it anew.
	Refused *RefusedSecrets
}

// String is the proxy as an operator writes it: host:port.
func (p Proxy) String() string { return net.JoinHostPort(p.Host, strconv.Itoa(int(p.Port))) }

// via is the way of an attempt through a proxy.
type via struct {
	Proxy
	tunnel    dial.Tunnel
	addresses []netip.Addr // of the proxy, in the order in which they are tried
	used      netip.AddrPort
	as        dial.Basic // with whom the proxy is content; nobody until it asks
	forbids   string     // where the service's Java is forbidden to authenticate so; empty: it is not, or that is not known
}

// connect makes a TCP connection to the first address of the proxy that takes one. An address that has no answer leaves
// time for the next.
func (v *via) connect(ctx context.Context, from dial.Options) (net.Conn, error) {
	var first error
	for i, address := range v.addresses {
		at := netip.AddrPortFrom(address, v.Port)
		one, cancel := context.WithTimeout(ctx, share(ctx, 1, len(v.addresses)-i))
		conn, err := dial.TCP(one, at, from)
		cancel()
		if err == nil {
			v.used = at
			return conn, nil
		}
		if first == nil || unroutable(&phaseError{phase: phaseConnect, err: first}, v.used.Addr()) {
			first, v.used = err, at
		}
	}
	return nil, v.unreached(first)
}

// unreached is why no connection to the proxy was made. What is wrong on this host keeps its cause.
func (v *via) unreached(err error) error {
	cause, words := Classify(&phaseError{phase: phaseConnect, err: err})
	switch cause {
	case "":
		return err
	case check.ConnectRefused, check.ConnectTimeout, check.ConnectUnreachable, check.ConnectReset:
		cause = check.ProxyRefused
	}
	return &opinion{cause: cause, err: err, words: v.name() + " cannot be reached: " + words}
}

// open has the proxy open the tunnel over a connection to it, which is closed where it does not. Credentials are sent when
// it asks for them, not before, over a second connection: the first often ends with the question.
func (v *via) open(ctx context.Context, conn net.Conn, from dial.Options) (net.Conn, error) {
	opened, _, err := v.tunnel.Open(ctx, conn, v.as)
	asked, ok := errors.AsType[*dial.ProxyError](err)
	if !ok || asked.Answer.Status != http.StatusProxyAuthRequired || asked.Sent || v.User == "" || !asked.Offers("Basic") {
		return opened, v.refused(err)
	}
	return v.openAs(ctx, from)
}

// again is a second connection of the attempt, through the same address of the proxy.
func (v *via) again(ctx context.Context, from dial.Options) (net.Conn, error) {
	conn, err := dial.TCP(ctx, v.used, from)
	if err != nil {
		return nil, err
	}
	return v.open(ctx, conn, from)
}

// doubt is what is not well with a tunnel that stands: the service would not get it. Nil: nothing.
func (v *via) doubt() *opinion {
	if v.as.User == "" || v.forbids == "" {
		return nil
	}
	return &opinion{cause: check.ProxyAuth, words: v.name() + " takes the password by Basic authentication, which the " +
		"service's Java does not do for HTTPS: " + jvm.PropertyTunnelDisabled + " forbids it (" +
		cleanText(v.forbids, maxTextKept) + ")"}
}

// name is the proxy in a sentence, with the address that was used where it has a name.
func (v *via) name() string {
	if isAddress(v.Host) {
		return "the proxy " + v.used.String()
	}
	return fmt.Sprintf("the proxy %s (%s)", v.Proxy, v.used)
}

// label is the endpoint as a result shows it.
func (v *via) label() string {
	return fmt.Sprintf("%s via %s", v.tunnel.Target, v.used)
}

// refused is why there is no tunnel; nil for nil.
func (v *via) refused(err error) error {
	if silent, ok := errors.AsType[*dial.HTTPError](err); ok && silent.Failure != dial.HTTPCanceled {
		return &opinion{cause: check.ProxyRefused, err: err,
			words: v.name() + " does not open a tunnel: " + unanswered(silent)}
	}
	told, ok := errors.AsType[*dial.ProxyError](err)
	switch {
	case !ok:
		return err
	case told.Answer.Status != http.StatusProxyAuthRequired:
		return &opinion{cause: check.ProxyDenied, err: err, words: fmt.Sprintf("%s does not connect to %s: it answers %s%s",
			v.name(), v.tunnel.Target, statusLine(told.Answer), itsReason(told.Answer))}
	default:
		return &opinion{cause: check.ProxyAuth, err: err, words: v.name() + " " + v.unauthenticated(told)}
	}
}

// unauthenticated is what is wrong about a proxy's 407.
func (v *via) unauthenticated(told *dial.ProxyError) string {
	by := strings.Join(told.Schemes, ", ")
	switch {
	case by == "":
		return "asks for authentication (407), but does not say by which scheme"
	case told.Sent:
		return "does not take the user and the password that it was given (407)"
	case !told.Offers("Basic"):
		return "asks for authentication by " + by + " alone (407), which this check does not do"
	default:
		return "asks for authentication by " + by + " (407), and the check has no user for it"
	}
}

// itsReason is the word of its own that Squid gives for a refusal, such as ERR_DNS_FAIL.
func itsReason(a dial.Answer) string {
	if why := a.Header.Get("X-Squid-Error"); why != "" {
		return " (" + cleanText(why, maxTextKept) + ")"
	}
	return ""
}
