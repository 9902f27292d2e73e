package netcheck

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"

	"sallyport/tlsprobe"
	"sallyport/tlsprobe/jvm"
)

// JavaEvidence is trust as the service's Java sees it. Text from files and certificates in it is escaped and bounded.
type JavaEvidence struct {
	Error       string           `json:"error,omitempty"`   // why it cannot be told
	Machine     string           `json:"machine,omitempty"` // Java 17.0.15 at /opt/uds/jre
	Found       string           `json:"found,omitempty"`   // how it was found
	Store       string           `json:"store,omitempty"`   // its trust store
	StoreKind   string           `json:"store_kind,omitempty"`
	StoreBy     string           `json:"store_by,omitempty"` // why it is that one
	StoreSHA256 string           `json:"store_sha256,omitempty"`
	Authorities int              `json:"authorities"`
	Judged      bool             `json:"judged"`  // it was asked about the chain
	Trusted     bool             `json:"trusted"` // it trusts the chain
	Why         string           `json:"why,omitempty"`
	Sentence    string           `json:"sentence,omitempty"` // as Java says it
	Missing     *jvm.Authority   `json:"missing,omitempty"`  // the authority that its store lacks
	Replaced    *jvm.Replacement `json:"replaced,omitempty"`
	Notes       []string         `json:"notes,omitempty"`
}

// maxNotesKept is how many remarks on a Java are kept, and how many authorities of a replacement.
const maxNotesKept = 12

func newJavaEvidence(a *attempt) *JavaEvidence {
	switch {
	case a.java == nil:
		return nil
	case a.java.err != nil:
		return &JavaEvidence{Error: cleanText(a.java.err.Error(), maxDetail)}
	}
	t := a.java.trust
	e := &JavaEvidence{
		Machine: cleanText(t.Machine.String(), maxTextKept), Found: cleanText(t.Machine.How, maxTextKept),
		Store: cleanText(t.Store.Path, maxTextKept), StoreKind: string(t.Kind), StoreBy: t.Store.How,
		StoreSHA256: t.SHA256, Authorities: t.Count, Replaced: showReplacement(t.Replaced),
	}
	for _, note := range t.Notes[:min(len(t.Notes), maxNotesKept)] {
		e.Notes = append(e.Notes, cleanText(note, maxDetail))
	}
	if a.java.way != "" {
		e.Notes = append(e.Notes, a.java.way)
	}
	if o := a.asked; o != nil {
		e.Judged, e.Trusted, e.Why, e.Sentence = true, o.Trusted, cleanText(o.Words, maxDetail), o.Sentence
		if o.missing != nil {
			subject := cleanText(tlsprobe.SubjectText(o.missing), maxTextKept)
			e.Missing = &jvm.Authority{Subject: subject, SHA256: sha256Of(o.missing)}
		}
	}
	return e
}

func showReplacement(r *jvm.Replacement) *jvm.Replacement {
	if r == nil {
		return nil
	}
	shown := *r
	shown.Path = cleanText(r.Path, maxTextKept)
	shown.Gone, shown.Came = showAuthorities(r.Gone), showAuthorities(r.Came)
	return &shown
}

func showAuthorities(all []jvm.Authority) []jvm.Authority {
	var shown []jvm.Authority
	for _, one := range all[:min(len(all), maxNotesKept)] {
		shown = append(shown, jvm.Authority{Subject: cleanText(one.Subject, maxTextKept), SHA256: one.SHA256})
	}
	return shown
}

func sha256Of(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}
