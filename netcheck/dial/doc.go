// Package dial makes one TCP connection to one address, from a source address or an interface where one is wanted, and
// keeps what the kernel knows of a connection that fails: which ICMP message ended it, and what this host lacks to send
// from. It must not know of checks, causes, names to resolve or TLS.
package dial
