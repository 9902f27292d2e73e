package revocation

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"hash/maphash"
	"math/big"
	"slices"
	"time"

	"sallyport/tlsprobe"
)

// MaxCRL is how many bytes of a list are read. The largest of public authorities have some 10 MiB.
const MaxCRL = 10 << 20

// List is an authority's list of what it revoked (RFC 5280 section 5), as little of it as answers questions: 16 bytes for
// each certificate.
type List struct {
	produced, next time.Time
	scope          scope
	seed           maphash.Seed
	entries        []entry // by serial
}

// entry is one revoked certificate. Its serial number is kept as a hash: of half a million, another one is taken for
// revoked once in 10^13 questions, and nobody can choose numbers that are.
type entry struct {
	serial uint64
	at     uint32 // seconds since 1970
	reason Reason
}

// entrySize is how many bytes an entry takes.
const entrySize = 16

// maxHead is how many bytes a list may have besides its entries: its issuer, its extensions and its signature, of which
// the library makes forty times as many.
const maxHead = 64 << 10

// size is about how many bytes the list takes.
func (l *List) size() int { return 512 + entrySize*len(l.entries) }

// JudgeCRL reads a list of issuer's, in DER form or PEM, at now. What only some parts of it stand for is judged when it is
// asked, by Of. Not read are lists of changes (delta), those that hold other issuers' certificates (indirect), and those
// with a critical extension that is not known (section 5.2). The error is an *Error.
func JudgeCRL(der []byte, issuer *x509.Certificate, now time.Time) (*List, error) {
	if len(der) > MaxCRL {
		return nil, wrong(TooLarge, "more than %d bytes", MaxCRL)
	}
	if bytes.HasPrefix(der, []byte("-----BEGIN")) {
		if block, _ := pem.Decode(der); block != nil {
			der = block.Bytes
		}
	}
	parts, bad := splitCRL(der)
	if bad != nil {
		return nil, bad
	}
	if len(parts.bare) > maxHead {
		return nil, wrong(TooLarge, "more than %d bytes besides its entries", maxHead)
	}
	head, err := x509.ParseRevocationList(parts.bare)
	if err != nil {
		return nil, wrong(Malformed, "%s", quote(err.Error()))
	}
	if string(head.RawIssuer) != string(issuer.RawSubject) {
		return nil, wrong(Unsupported, "%s issued the list, not the certificate's issuer (an indirect list)",
			quote(tlsprobe.NameText(head.Issuer)))
	}
	head.RawTBSRevocationList = parts.signed
	if bad := checkSigned(head, issuer); bad != nil {
		return nil, bad
	}
	list := &List{produced: head.ThisUpdate, next: head.NextUpdate, seed: maphash.MakeSeed()}
	if list.next.IsZero() {
		return nil, wrong(Malformed, "it does not say when the next one is there") // section 5.1.2.5
	}
	if bad := list.answer().inForce(now); bad != nil {
		return nil, bad
	}
	if list.scope, bad = readScope(head.Extensions); bad != nil {
		return nil, bad
	}
	if bad := list.read(parts.revoked); bad != nil {
		return nil, bad
	}
	return list, nil
}

func checkSigned(head *x509.RevocationList, issuer *x509.Certificate) *Error {
	err := head.CheckSignatureFrom(issuer)
	if err == nil {
		return nil
	}
	if _, may := errors.AsType[x509.ConstraintViolationError](err); may {
		return wrong(Unauthorized, "its issuer may not sign lists (key usage cRLSign)")
	}
	return wrong(BadSignature, "its issuer %s did not sign it", quote(tlsprobe.SubjectText(issuer)))
}

func (l *List) answer() Answer { return Answer{Produced: l.produced, NextUpdate: l.next} }

// Of is what the list says of a certificate of its issuer. The error is an *Error: the list does not speak of such
// certificates.
func (l *List) Of(cert *x509.Certificate) (Answer, error) {
	if bad := l.scope.covers(cert); bad != nil {
		return Answer{}, bad
	}
	answer := l.answer()
	answer.Status = Good
	sum := maphash.Bytes(l.seed, cert.SerialNumber.Bytes())
	at, found := slices.BinarySearchFunc(l.entries, sum, func(e entry, sum uint64) int { return cmp.Compare(e.serial, sum) })
	switch {
	case found:
		e := l.entries[at]
		answer.Status, answer.RevokedAt, answer.Reason = Revoked, time.Unix(int64(e.at), 0).UTC(), e.reason
	case l.scope.someReasons:
		return Answer{}, wrong(Unsupported, "the list has revocations for some reasons only")
	}
	return answer, nil
}

// add adds a revoked certificate.
func (l *List) add(serial []byte, at time.Time, reason Reason) {
	if reason == removeFromCRL {
		return
	}
	number := new(big.Int).SetBytes(serial).Bytes() // without leading zeros
	l.entries = append(l.entries, entry{
		serial: maphash.Bytes(l.seed, number), at: uint32(max(at.Unix(), 0)), reason: reason,
	})
}
