// Package directory is one LDAP session (RFC 4511) over a connection that somebody else has made and verified: StartTLS
// before, then bind, the rootDSE, and searches that are streamed, so that what a directory sends is counted and let go.
// The LDAP library does the talking; beneath it stands a wire that keeps each operation within its context, takes in a
// bounded number of octets, and keeps what the library does not hand on. An error says what the protocol said. The package
// must not know of addresses, checks or accounts.
package directory
