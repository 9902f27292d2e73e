// Package resolver asks name servers and judges what each of them answers: by UDP, TCP, TLS or HTTPS, along the aliases
// to their end, with the protocol's own reasons. It knows the host's resolv.conf and search list, and finds services by
// their SRV records. It must not know of check targets, evidence or remedies: those are netcheck's.
package resolver
