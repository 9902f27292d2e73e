package dnssec

import "errors"

// What one validation may cost. A usual one, from the root to a name two zones below, takes six questions and eight
// signatures; the rest is room for aliases, for rollovers and for denials.
const (
	maxQuestions     = 64
	maxVerifications = 64   // signatures checked
	maxDigests       = 64   // keys hashed to be compared with DS records
	maxHashBlocks    = 1e5  // SHA-1 blocks for NSEC3: some 20 ms
	maxKeysPerTag    = 4    // keys of one tag and algorithm that are tried for a signature
	maxSigsPerSet    = 8    // signatures of one set that are looked at
	maxDenials       = 16   // NSEC and NSEC3 records of one message that are looked at: a proof has at most three
	maxDepth         = 32   // zones from the anchor to the name
	maxAliases       = 16   // CNAME and DNAME records of one answer that are followed
	maxRecords       = 4096 // records of one message
)

// errTooCostly ends a validation that would cost more than it may.
var errTooCostly = errors.New("too costly")

// budget counts what a validation has cost.
type budget struct {
	questions, verifications, digests, hashBlocks int
}

func (b *budget) question() error     { return spend(&b.questions, 1, maxQuestions) }
func (b *budget) verification() error { return spend(&b.verifications, 1, maxVerifications) }
func (b *budget) digest() error       { return spend(&b.digests, 1, maxDigests) }

// hash is for one NSEC3 hash of so many iterations, of which each is two blocks of SHA-1 at most for a usual salt, and
// six for the longest.
func (b *budget) hash(iterations uint16, saltSize int) error {
	return spend(&b.hashBlocks, (int(iterations)+1)*(2+saltSize/64), maxHashBlocks)
}

func spend(spent *int, cost, limit int) error {
	if *spent+cost > limit {
		return errTooCostly
	}
	*spent += cost
	return nil
}
