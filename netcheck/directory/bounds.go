package directory

import ber "github.com/go-asn1-ber/asn1-ber"

// Bounds on what a directory may send.
const (
	maxMessage  = 256 << 10 // octets of one message; the library may hold a dozen, with several copies of each octet
	maxDepth    = 12        // of elements in one another; a control of a response has 5, an entry 6
	maxReads    = 16 << 10  // steps that the BER library takes to read a message: four or so for each element
	baseBudget  = 64 << 10  // octets for a bind, the rootDSE and the end of a search
	entryBudget = 2 << 10   // and for each entry that is asked for by its name alone
	maxBudget   = 256 << 20 // and in all: a million entries with names of some 200 octets
	readAhead   = 4 << 10   // octets that are read at once
)

// The bounds of the BER library are variables of its package: 2 GiB, and a depth of 1000, in each of which it holds all
// that is within. They are set here, once, while variables are initialised: before any goroutine could read them.
var _ = boundPackets()

func boundPackets() struct{} {
	ber.MaxPacketLengthBytes = maxMessage
	ber.MaxNestingDepth = maxDepth
	return struct{}{}
}
