package dnssec

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/miekg/dns"
)

const (
	// maxAnchorsSize is how many octets a file of anchors may have.
	maxAnchorsSize = 64 << 10
	// maxAnchors is how many records it may have.
	maxAnchors = 64
)

// rootAnchors are the DS records of the root's keys, as IANA publishes them: KSK-2017 and KSK-2024
// (https://data.iana.org/root-anchors/root-anchors.xml).
const rootAnchors = `
. IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
. IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16
`

// Anchors are the keys that are trusted without proof, as DS records by zone. The zero value trusts none.
type Anchors struct{ zones map[name][]*dns.DS }

// RootAnchors are the anchors of the public root zone.
func RootAnchors() *Anchors {
	a, err := ParseAnchors(strings.NewReader(rootAnchors), "the built-in anchors")
	if err != nil { // a test holds that it cannot be; without anchors nothing is Secure
		return &Anchors{}
	}
	return a
}

// ReadAnchors reads the DS and DNSKEY records of a file in the format of zone files (RFC 1035 section 5), such as
// unbound-anchor and dnssec-dsfromkey write. It fails for a file with another record in it, with one of an algorithm or
// a digest that cannot be checked here, or with none.
func ReadAnchors(path string) (*Anchors, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read trust anchors: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	return ParseAnchors(file, path)
}

// ParseAnchors is ReadAnchors for an open source; name stands in the errors.
func ParseAnchors(source io.Reader, name string) (*Anchors, error) {
	limited := &io.LimitedReader{R: source, N: maxAnchorsSize + 1}
	anchors := &Anchors{}
	parser := dns.NewZoneParser(limited, ".", name)
	parser.SetDefaultTTL(0) // files of anchors often give none
	count := 0
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		if count++; count > maxAnchors {
			return nil, fmt.Errorf("trust anchors %s: more than %d records", name, maxAnchors)
		}
		if err := anchors.add(rr); err != nil {
			return nil, fmt.Errorf("trust anchors %s: %w", name, err)
		}
	}
	if err := parser.Err(); err != nil {
		return nil, fmt.Errorf("trust anchors %s: %w", name, err)
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("trust anchors %s: more than %d octets", name, maxAnchorsSize)
	}
	if count == 0 {
		return nil, fmt.Errorf("trust anchors %s: no DS nor DNSKEY record in it", name)
	}
	return anchors, nil
}

func (a *Anchors) add(rr dns.RR) error {
	owner, err := nameOf(rr.Header().Name)
	if err != nil {
		return err
	}
	ds, err := anchorOf(rr)
	if err != nil {
		return fmt.Errorf("%s %s: %w", owner, typeName(rr.Header().Rrtype), err)
	}
	if a.zones == nil {
		a.zones = make(map[name][]*dns.DS)
	}
	a.zones[owner] = append(a.zones[owner], ds)
	return nil
}

// anchorOf is the record as a DS record; a key's is made with SHA-256.
func anchorOf(rr dns.RR) (*dns.DS, error) {
	switch rr := rr.(type) {
	case *dns.DS:
		if !supportedAlgorithm(rr.Algorithm) || !supportedDigest(rr.DigestType) {
			return nil, fmt.Errorf("%s with %s cannot be checked here", algorithmName(rr.Algorithm),
				digestName(rr.DigestType))
		}
		return rr, nil
	case *dns.DNSKEY:
		if !supportedAlgorithm(rr.Algorithm) || rr.Flags&dns.ZONE == 0 || rr.Flags&dns.REVOKE != 0 {
			return nil, fmt.Errorf("a key of %s with flags %d cannot be an anchor", algorithmName(rr.Algorithm), rr.Flags)
		}
		if ds := rr.ToDS(dns.SHA256); ds != nil {
			return ds, nil
		}
		return nil, errors.New("the key is malformed")
	default:
		return nil, errors.New("only DS and DNSKEY records are trust anchors")
	}
}

// above is the nearest zone at or above the name that has anchors, and these; none where no zone has.
func (a *Anchors) above(n name) (name, []*dns.DS) {
	if a == nil {
		return root, nil
	}
	for {
		if records := a.zones[n]; len(records) > 0 || n == root {
			return n, records
		}
		n = n.parent()
	}
}
