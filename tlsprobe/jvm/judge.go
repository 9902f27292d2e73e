package jvm

import (
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"sync"
	"time"

	"sallyport/tlsprobe"
)

// Java's own sentences for why it does not trust a chain (OpenJDK 8 to 25).
const (
	sentenceBuilding = "PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: " +
		"unable to find valid certification path to requested target"
	sentenceValidity  = "PKIX path validation failed: java.security.cert.CertPathValidatorException: validity check failed"
	sentenceAlgorithm = "PKIX path validation failed: java.security.cert.CertPathValidatorException: " +
		"Algorithm constraints check failed"
	sentenceUsage     = "Extended key usage does not permit use for TLS server authentication"
	sentenceNoAnchors = "java.security.InvalidAlgorithmParameterException: the trustAnchors parameter must be non-empty"
)

// Judgement is whether Java trusts a chain. Names are not in it: they do not depend on a store.
type Judgement struct {
	Trusted  bool
	Words    string // why not, in one sentence
	Sentence string // why not, as Java says it
}

// Judge judges a chain, as a server sent it, by the machine's store and rules. Chains that were judged are remembered,
// each by its bytes, until one of its certificates begins or ends, and for ten minutes at most.
func (t *Trust) Judge(certs []*x509.Certificate, at time.Time) Judgement {
	if len(certs) == 0 {
		return Judgement{Words: "the server sent no certificate"}
	}
	key := keyOf(certs)
	if known, ok := t.memory.find(key, at); ok {
		return known
	}
	j := t.judge(certs, at)
	t.memory.keep(key, j, at, until(certs, at))
	return j
}

func (t *Trust) judge(certs []*x509.Certificate, at time.Time) Judgement {
	if t.nobody != "" {
		return Judgement{Words: t.nobody, Sentence: t.sentence}
	}
	v := tlsprobe.Verify(certs, tlsprobe.VerifyOptions{Roots: t.roots, Time: at})
	for _, f := range v.Findings {
		if refused, sentence := t.refuses(f, certs); refused {
			return Judgement{Words: f.Words, Sentence: sentence}
		}
	}
	if rule, words := t.denied(v, at); rule != "" {
		return Judgement{Words: words, Sentence: sentenceAlgorithm}
	}
	return Judgement{Trusted: true}
}

// refuses says whether Java minds a finding, and its sentence where that is known. Names are judged elsewhere, strength by
// its own rules, and the dates of an authority in the store not at all: PKIX checks no trust anchors (RFC 5280 section
// 6.1.1), and a server's own certificate that stands in the store is taken as it is (PKIXValidator.engineValidate).
func (t *Trust) refuses(f tlsprobe.Finding, certs []*x509.Certificate) (refused bool, sentence string) {
	if f.Severity != tlsprobe.Fatal {
		return false, ""
	}
	switch f.Problem {
	case tlsprobe.SelfSigned, tlsprobe.IncompleteChain, tlsprobe.UnknownAuthority:
		return true, sentenceBuilding
	case tlsprobe.Expired, tlsprobe.NotYetValid, tlsprobe.ChainExpired:
		return f.Index >= 0 && !t.Holds(certs[f.Index]), sentenceValidity
	case tlsprobe.Usage:
		uses := certs[0].ExtKeyUsage
		if f.Index == 0 && len(uses) > 0 && !slices.Contains(uses, x509.ExtKeyUsageServerAuth) {
			return true, sentenceUsage
		}
		return true, ""
	default:
		return false, ""
	}
}

// denied is the rule of the machine's own by which it refuses the chain, and its words.
func (t *Trust) denied(v tlsprobe.Verdict, at time.Time) (rule, words string) {
	if len(v.Path) == 0 {
		return "", ""
	}
	jdk := t.jdk[string(v.Path[len(v.Path)-1].Raw)]
	for _, cert := range v.Path {
		if rule := t.rules.denies(cert, jdk, t.Holds(cert), at); rule != "" {
			return rule, "its rule " + rule + " refuses " + name(cert)
		}
	}
	return "", ""
}

// memory keeps judgements.
type memory struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]remembered
}

type remembered struct {
	judgement   Judgement
	from, until time.Time
}

const (
	maxRemembered = 1024
	rememberedFor = 10 * time.Minute
)

func (m *memory) find(key [sha256.Size]byte, at time.Time) (Judgement, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.known[key]
	return r.judgement, ok && !at.Before(r.from) && at.Before(r.until)
}

func (m *memory) keep(key [sha256.Size]byte, j Judgement, from, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= maxRemembered {
		m.known = map[[sha256.Size]byte]remembered{}
	}
	m.known[key] = remembered{j, from, until}
}

// keyOf is of the exact bytes of the chain, each with its length.
func keyOf(certs []*x509.Certificate) [sha256.Size]byte {
	hash := sha256.New()
	for _, cert := range certs {
		sum := sha256.Sum256(cert.Raw)
		hash.Write(sum[:])
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// until is when a judgement made at a time is no longer sure.
func until(certs []*x509.Certificate, at time.Time) time.Time {
	end := at.Add(rememberedFor)
	for _, cert := range certs {
		for _, border := range []time.Time{cert.NotBefore, cert.NotAfter} {
			if border.After(at) && border.Before(end) {
				end = border
			}
		}
	}
	return end
}
