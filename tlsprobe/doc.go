// Package tlsprobe does one TLS handshake over a connection that is already there and reports what it saw as facts: the
// protocol, the certificates, and every problem with them. It judges a chain itself, so that the facts are there when
// the verdict is bad, and a bad verdict still ends the connection. It must not know of checks, causes, names to resolve
// or anything that speaks above TLS.
package tlsprobe
