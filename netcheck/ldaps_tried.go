package netcheck

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"sallyport/check"
)

// The states of a password that was sent, or is about to be.
const (
	stateTrying     = "trying"     // written before it is sent: where nobody writes on, nobody knows what came of it
	stateUnanswered = "unanswered" // sent, and the directory did not answer
	stateRefused    = "refused"    // it may be wrong
	stateAccepted   = "accepted"   // the user was bound
)

const (
	// forgetUnknown is for how long a password is held back whose last try ended nobody knows how. A directory that counts
	// wrong passwords counts them within a window; one try in a longer time never adds up. It is Active Directory's default
	// of the window ([MS-ADA1] lockOutObservationWindow: 30 minutes).
	forgetUnknown = 30 * time.Minute
	// maxTried is how many passwords of a user are remembered, at all its directories; the oldest are forgotten.
	maxTried = 16
	// maxDirectories is how many characters the names of a user's directories may have to stand in the memory as they are.
	maxDirectoryNames = 512
)

// tried is what is remembered of one password of a user. The password of one that was accepted is remembered by the stamp
// of its file alone.
type tried struct {
	At     string      `json:"at"` // the directories at which the configuration has the user
	State  string      `json:"state"`
	Since  time.Time   `json:"since"`
	Digest []byte      `json:"digest,omitempty"` // slow, with the book's salt
	Stamp  stamp       `json:"stamp,omitzero"`   // of the password's file
	Cause  check.Cause `json:"cause,omitempty"`
	By     string      `json:"by,omitempty"` // the address of the directory that was asked
}

// book is what is remembered of one user's passwords.
type book struct {
	User  string  `json:"user"`
	Salt  []byte  `json:"salt"`
	Tries []tried `json:"tries"`
}

// same says whether a password is one that was tried.
type same func(t tried) bool

// held is why a password must not be sent to an address, if it must not.
func (b book) held(at, address string, is same, now time.Time) (tried, bool) {
	for _, t := range b.Tries {
		unknown := t.State == stateTrying || t.State == stateUnanswered && t.By == address
		fresh := now.Sub(t.Since).Abs() < forgetUnknown // a clock that was set back holds nothing for ever
		if t.At == at && (t.State == stateRefused || unknown && fresh) && is(t) {
			return t, true
		}
	}
	return tried{}, false
}

// accepts says whether a password has succeeded, and was not refused since.
func (b book) accepts(at string, is same) bool {
	return slices.ContainsFunc(b.Tries, func(t tried) bool { return t.At == at && t.State == stateAccepted && is(t) })
}

// without is the book without some of the tries at those directories.
func (b book) without(at string, gone func(t tried) bool) book {
	b.Tries = slices.DeleteFunc(slices.Clone(b.Tries), func(t tried) bool { return t.At == at && gone(t) })
	return b
}

// with is the book with one more try, and without the oldest where there are too many.
func (b book) with(t tried) book {
	b.Tries = append(slices.Clone(b.Tries), t)
	b.Tries = b.Tries[max(0, len(b.Tries)-maxTried):]
	return b
}

// marked is the book before a password is sent.
func (b book) marked(t tried) book {
	t.State = stateTrying
	return b.unmarked(t.At).with(t)
}

// unmarked is the book after a password was not sent, or was answered by something that says nothing of it.
func (b book) unmarked(at string) book {
	return b.without(at, func(t tried) bool { return t.State == stateTrying })
}

// unanswered is the book after a password was sent, and nobody knows what came of it at that address.
func (b book) unanswered(t tried) book {
	t.State = stateUnanswered
	return b.unmarked(t.At).without(t.At, func(old tried) bool {
		return old.State == stateUnanswered && old.By == t.By && bytes.Equal(old.Digest, t.Digest)
	}).with(t)
}

// refused is the book after a password was refused.
func (b book) refused(t tried, is same) book {
	t.State = stateRefused
	return b.unmarked(t.At).without(t.At, is).with(t)
}

// accepted is the book after a password has succeeded: a directory that counts wrong ones begins anew then, and so does
// the book. Where the file's stamp counts, the next process knows by it that this password is a good one.
func (b book) accepted(t tried) book {
	b = b.without(t.At, func(tried) bool { return true })
	if t.Stamp == (stamp{}) {
		return b
	}
	t.State, t.Digest, t.Cause = stateAccepted, nil, ""
	return b.with(t)
}

// sameDN is one form for the spellings of a DN that differ in case only, as nearly all directories compare them.
func sameDN(dn string) string { return strings.ToLower(dn) }

// placeOf is one form for a set of directories.
func placeOf(directories []string) string {
	names := slices.Clone(directories)
	slices.Sort(names)
	at := strings.Join(slices.Compact(names), " ")
	if len(at) > maxDirectoryNames {
		sum := sha256.Sum256([]byte(at))
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	return at
}
