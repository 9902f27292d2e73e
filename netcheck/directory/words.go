package directory

import "sallyport/netcheck/plain"

// How much of a directory's words is kept, and shown.
const (
	maxKept       = 4 << 10 // octets of one value
	maxShown      = 200     // characters of one that is shown
	maxLink       = 1 << 10 // characters of an address of another server
	maxReferences = 8       // of those addresses
)

// clean makes a directory's words fit for a sentence.
func clean(words string) string { return plain.Text(words, maxShown) }
