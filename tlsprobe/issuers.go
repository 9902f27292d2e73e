package tlsprobe

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Bounds on the search for certificates that a server leaves out.
const (
	maxFetches = 3  // certificates after one another: no real chain lacks more
	maxBundle  = 32 // certificates of one answer that are looked at
)

// FetchIssuer gets what stands at an address of the scheme http, within its own bounds of bytes and time.
type FetchIssuer func(ctx context.Context, address string) ([]byte, error)

// Complete judges a chain that ends in nowhere again with the certificates that the server left out, as far as their
// issuers publish them (RFC 5280 section 4.2.2.1). The chain is refused as before: others do not fetch, a JVM by default
// not either. But the finding names the missing certificate for certain, and what comes after it is judged too. A chain
// that does not end in nowhere is judged as Verify does.
func Complete(ctx context.Context, certs []*x509.Certificate, o VerifyOptions, fetch FetchIssuer) Verdict {
	v := Verify(certs, o)
	for range maxFetches {
		if v.Trusted() || len(v.Path) == 0 {
			break
		}
		last := v.Path[len(v.Path)-1]
		if selfIssued(last) || o.Roots.holds(last) {
			break
		}
		found, err := fetchFor(ctx, last, fetch)
		if err != nil {
			return v.annotate(err)
		}
		o.Fetched = append(o.Fetched, found...)
		v = Verify(certs, o)
	}
	return v
}

// Complete is the verdict of the handshake's certificates by the options that it was made with, as the function Complete
// has it.
func (f Facts) Complete(ctx context.Context, options Options, fetch FetchIssuer) Verdict {
	return Complete(ctx, f.Certificates, options.judging(f.Suite), fetch)
}

// fetchFor gets the certificates that signed cert, from the first address that says where they are.
func fetchFor(ctx context.Context, cert *x509.Certificate, fetch FetchIssuer) ([]*x509.Certificate, error) {
	addresses := httpURLs(cert)
	if len(addresses) == 0 || !strings.HasPrefix(strings.ToLower(addresses[0]), "http:") {
		return nil, errors.New("it does not say where on http its issuer is published")
	}
	data, err := fetch(ctx, addresses[0])
	if err != nil {
		return nil, err
	}
	bundle, err := parseIssuers(data)
	if err != nil {
		return nil, err
	}
	signers := slices.DeleteFunc(bundle, func(candidate *x509.Certificate) bool {
		return string(candidate.RawSubject) != string(cert.RawIssuer) || !signed(cert, candidate)
	})
	if len(signers) == 0 {
		return nil, errors.New("what is published there did not sign the certificate")
	}
	return signers, nil
}

// annotate adds to a finding of a missing certificate why it could not be fetched.
func (v Verdict) annotate(err error) Verdict {
	for i, f := range v.Findings {
		if f.Problem == IncompleteChain && f.Index >= 0 {
			v.Findings[i].Words += " (not fetched: " + clean(err.Error()) + ")"
		}
	}
	return v
}

// parseIssuers reads what an issuer publishes: one certificate in DER form, or a certs-only CMS message (RFC 5280 section
// 4.2.2.1); some publish PEM.
func parseIssuers(data []byte) ([]*x509.Certificate, error) {
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	if cert, err := x509.ParseCertificate(data); err == nil {
		return []*x509.Certificate{cert}, nil
	}
	if certs := parseCertsOnly(data); len(certs) > 0 {
		return certs, nil
	}
	return nil, errors.New("what is published there is no certificate")
}

// parseCertsOnly reads the certificates of a SignedData in DER form (RFC 5652 section 5.1); none for anything else. Those
// that do not parse are passed by.
func parseCertsOnly(data []byte) []*x509.Certificate {
	input := cryptobyte.String(data)
	var info, content, signedData, certs cryptobyte.String
	if !input.ReadASN1(&info, asn1.SEQUENCE) || !info.SkipASN1(asn1.OBJECT_IDENTIFIER) ||
		!info.ReadASN1(&content, asn1.Tag(0).ContextSpecific().Constructed()) ||
		!content.ReadASN1(&signedData, asn1.SEQUENCE) ||
		!signedData.SkipASN1(asn1.INTEGER) || !signedData.SkipASN1(asn1.SET) || !signedData.SkipASN1(asn1.SEQUENCE) ||
		!signedData.ReadASN1(&certs, asn1.Tag(0).ContextSpecific().Constructed()) {
		return nil
	}
	var found []*x509.Certificate
	for range maxBundle {
		var der cryptobyte.String
		if !certs.ReadASN1Element(&der, asn1.SEQUENCE) {
			break
		}
		if cert, err := x509.ParseCertificate(der); err == nil {
			found = append(found, cert)
		}
	}
	return found
}
