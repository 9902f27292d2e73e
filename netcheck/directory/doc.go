// Package directory is one LDAP session (RFC 4511) over a connection that somebody else has made and verified: StartTLS
// before, then bind, the rootDSE, and searches that are streamed, so that what a directory sends is counted and let go.
// Whatever the other side sends, each operation ends with its context, takes in a bounded number of octets and holds at
// most one message of them; its error says what the protocol said. It must not know of addresses, checks or accounts.
package directory
