package tlsprobe

import (
	"crypto/x509"
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// Bounds on the memory of chains. A real chain has 2 to 6 KiB.
const (
	maxRemembered      = 1024
	maxRememberedBytes = 16 << 10 // of one chain; what is larger is judged each time
)

// memory keeps the verdicts of chains that were found good, so that the same chain is not verified again at each probe.
// It belongs to one set of roots, which do not change. What is kept is kept under everything that the verdict depends on,
// byte for byte: the certificates as they were sent, the name and the options; and only for as long as the verdict is the
// same by the clock: a chain without a finding about a date has none before the last of its certificates began to be
// valid, nor after the first comes into the time to warn. A refusal is never kept.
type memory struct {
	mu   sync.Mutex
	kept map[string]remembered
}

type remembered struct {
	verdict     Verdict
	sent        []*x509.Certificate // crypto/tls does not parse again what somebody still holds (its certificate cache)
	from, until time.Time           // both inclusive
}

// Judge is Verify, from the memory of o.Roots where it can be: for who judges the same chain again and again. The verdict is
// shared: it must not be changed.
func Judge(certs []*x509.Certificate, o VerifyOptions) Verdict {
	if o.Roots == nil || len(certs) == 0 || len(o.Fetched) > 0 {
		return Verify(certs, o)
	}
	key, fits := o.key(certs)
	if !fits {
		return Verify(certs, o)
	}
	if v, ok := o.Roots.memory.recall(key, o.Time); ok {
		return v
	}
	v := Verify(certs, o)
	if kept, ok := o.lasting(v); ok {
		kept.sent = certs
		o.Roots.memory.keep(string(key), kept)
	}
	return v
}

// recall is what is kept under a key, if it holds at that time.
func (m *memory) recall(key []byte, at time.Time) (Verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept, ok := m.kept[string(key)]
	if !ok || at.Before(kept.from) || at.After(kept.until) {
		return Verdict{}, false
	}
	return kept.verdict, true
}

// keep makes room by forgetting any other: what is forgotten is verified once more.
func (m *memory) keep(key string, r remembered) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = map[string]remembered{}
	}
	for other := range m.kept {
		if len(m.kept) < maxRemembered {
			break
		}
		delete(m.kept, other)
	}
	m.kept[key] = r
}

// lasting says for how long a verdict is the same: only one that trusts, and finds nothing, may be kept.
func (o VerifyOptions) lasting(v Verdict) (remembered, bool) {
	if _, found := v.Headline(); found || !v.Trusted() || len(v.Path) == 0 {
		return remembered{}, false
	}
	v.Findings, v.Path = slices.Clip(v.Findings), slices.Clip(v.Path) // who appends does not write into what is kept
	r := remembered{verdict: v, from: latestStart(v.Path), until: ends(v.Path).Add(-max(o.Warn, o.Fail, 0))}
	return r, !o.Time.Before(r.from) && !o.Time.After(r.until)
}

// key is everything that a verdict depends on besides the roots and the time, each part with its length before it, so that
// no two sets of parts read the same; false where it is too long to be kept.
func (o VerifyOptions) key(certs []*x509.Certificate) ([]byte, bool) {
	size := 0
	for _, cert := range certs {
		size += len(cert.Raw) + binary.MaxVarintLen32
	}
	if size > maxRememberedBytes {
		return nil, false
	}
	key := make([]byte, 0, size+len(o.Name)+64)
	part := func(data string) {
		key = binary.AppendUvarint(key, uint64(len(data)))
		key = append(key, data...)
	}
	key = binary.AppendUvarint(key, uint64(len(certs)))
	for _, cert := range certs {
		key = binary.AppendUvarint(key, uint64(len(cert.Raw)))
		key = append(key, cert.Raw...)
	}
	part(o.Name)
	key = binary.AppendVarint(binary.AppendVarint(key, int64(o.Warn)), int64(o.Fail))
	key = append(key, flag(o.Deciphers), flag(o.Public))
	key = binary.AppendUvarint(key, uint64(len(o.Pins)))
	for _, pin := range o.Pins {
		key = append(key, pin[:]...)
	}
	for _, issuer := range o.Issuers {
		part(issuer)
	}
	return key, true
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}
