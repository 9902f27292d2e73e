// Package service judges what can be seen of the service itself, from outside: the TCP connections of its user, and what its
// log complains of, put beside what the checks find. How connections are listed is another's matter, and so is who runs
// the checks. Everything in a log is untrusted: it is read with a bound, escaped, cut, and secrets in it are masked.
package service
