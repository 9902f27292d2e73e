// Package lab builds a small world in private network namespaces, with servers and their faults, for Sallyport to live in:
// a host that it guards, an admin, a stranger, a resolver, a cloud and a directory, joined by a switch, over IPv4 and
// IPv6. The servers are embedded, or real programs (unbound, nginx, slapd).
//
// Nothing of it touches the machine's own network namespace, and nothing of it has a name on disk: a namespace lives
// as long as the thread that holds it, so that it goes away however the process ends. The package must not know how
// Sallyport works inside; it runs the binary as an operator would.
package lab
