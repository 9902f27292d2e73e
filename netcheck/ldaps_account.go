package netcheck

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"io"

	"golang.org/x/crypto/argon2"

	"sallyport/netcheck/memory"
)

// The cost of a digest in a file, by which nobody is to guess a password fast: some 20 ms and 12 MiB (RFC 9106; the OWASP
// Password Storage Cheat Sheet's choice for that much memory).
const (
	digestPasses = 3
	digestKiB    = 12 << 10
	digestBytes  = 32
	saltBytes    = 16
)

// account is a user of directories, and what is known of its passwords. All but turn is for whoever has the turn.
type account struct {
	turn chan struct{} // taken by who may send a password of the user; a channel, so that a wait for it ends with a context
	file memory.File[book]

	key     []byte // of this process, for comparing passwords cheaply
	book    book
	state   memory.State // of the file when the book was read
	unsaved bool         // the book could not be written, and counts

	digested [sha256.Size]byte // the password whose digest is known, by key
	salt     []byte            // of the digest
	digest   []byte
	good     map[string][sha256.Size]byte // the password that has succeeded in this process, by directories
}

func newAccount(user string, folder memory.Folder) *account {
	return &account{
		turn: make(chan struct{}, 1), key: []byte(rand.Text()), good: map[string][sha256.Size]byte{},
		file: memory.File[book]{
			Folder: folder, Subject: memory.Subject("refused", user), Schema: 1,
		},
		book: book{User: cleanText(user, maxLDAPText)},
	}
}

// recall brings the book up to what other processes have written.
func (a *account) recall() error {
	if !a.file.Folder.Kept() {
		return nil
	}
	if a.unsaved {
		return a.save(a.book)
	}
	state, err := a.file.State()
	if err != nil {
		return err
	}
	if state == a.state {
		return nil
	}
	read, err := a.file.Read()
	if err != nil {
		return err
	}
	read.User = a.book.User
	a.book, a.state = read, state
	return nil
}

// save puts a book in place of the account's. It counts even where it cannot be written.
func (a *account) save(b book) error {
	a.book = b
	if !a.file.Folder.Kept() {
		return nil
	}
	var err error
	if len(b.Tries) == 0 {
		err = a.file.Remove()
	} else {
		err = a.file.Write(b)
	}
	if err == nil {
		a.state, err = a.file.State()
	}
	a.unsaved = err != nil
	return err
}

// mac is the password as this process compares it.
func (a *account) mac(s secret) [sha256.Size]byte {
	mac := hmac.New(sha256.New, a.key)
	_, _ = io.WriteString(mac, s.text) // a hash does not fail
	return [sha256.Size]byte(mac.Sum(nil))
}

// digestOf is the password as the book compares it. What is not written needs no slow one.
func (a *account) digestOf(s secret) []byte {
	if a.book.Salt == nil {
		a.book.Salt = make([]byte, saltBytes)
		_, _ = rand.Read(a.book.Salt) // it does not fail (crypto/rand)
	}
	mac := a.mac(s)
	if a.digest == nil || a.digested != mac || !bytes.Equal(a.salt, a.book.Salt) {
		a.digested, a.salt = mac, a.book.Salt
		if a.file.Folder.Kept() {
			a.digest = argon2.IDKey([]byte(s.text), a.salt, digestPasses, digestKiB, 1, digestBytes)
		} else {
			a.digest = mac[:]
		}
	}
	return a.digest
}

// is compares a password with those that were tried: by its file's stamp, or else by its digest.
func (a *account) is(s secret) same {
	return func(t tried) bool {
		return t.Stamp.is(s.stamp) || len(t.Digest) > 0 && hmac.Equal(t.Digest, a.digestOf(s))
	}
}
