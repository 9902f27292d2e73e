package jvm

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"sallyport/tlsprobe"
	"sallyport/tlsprobe/keystore"
)

// Trust is what a machine trusts, as it was read at one time. It does not change, and is safe for concurrent use.
type Trust struct {
	Machine  Machine
	Store    StoreFile
	Kind     keystore.Kind // empty: there is no such file, so nobody is trusted
	SHA256   string        // of the file
	Count    int           // of the authorities
	Notes    []string      // of the machine, its properties and its store
	Way      Way           // how it goes out for HTTPS
	Replaced *Replacement  // what became of the store when it was last replaced; nil: nothing is known of that

	certs    []*x509.Certificate
	roots    *tlsprobe.Roots
	jdk      map[string]bool // by DER form: authorities that came with the JDK
	nobody   string          // why no chain at all can be trusted; else empty
	sentence string          // of Java, for that
	rules    rules
	memory   memory
}

// read reads what the machine trusts.
func read(m Machine, passwords []string) (*Trust, error) {
	t := &Trust{Machine: m, Store: m.StoreFile(), Notes: m.Notes[:len(m.Notes):len(m.Notes)], jdk: map[string]bool{}}
	store, data, err := t.Store.open(m, passwords)
	if nobody, ok := errors.AsType[*errNobody](err); ok {
		t.nobody, t.sentence = "it trusts no authority at all: "+nobody.words, nobody.sentence
		t.Notes, store = append(t.Notes, nobody.words), &keystore.Store{}
	} else if err != nil {
		return nil, err
	}
	t.Kind, t.certs = store.Kind, store.Certificates()
	t.roots, t.Count = tlsprobe.NewRoots(t.certs...), len(t.certs)
	t.SHA256 = fingerprint(data)
	for _, entry := range store.Entries {
		if strings.Contains(entry.Alias, " [jdk") { // sun.security.util.AnchorCertificates
			t.jdk[string(entry.Certificate.Raw)] = true
		}
	}
	t.note(store)
	properties, notes := m.Security()
	t.Notes = append(t.Notes, notes...)
	t.Way, notes = m.way()
	t.Notes = append(t.Notes, notes...)
	t.rules, err = rulesOf(m, properties)
	if err != nil {
		t.Notes = append(t.Notes, "its security properties: "+err.Error())
	}
	return t, nil
}

// note says what is remarkable of the store.
func (t *Trust) note(store *keystore.Store) {
	add := func(format string, args ...any) { t.Notes = append(t.Notes, fmt.Sprintf(format, args...)) }
	if store.Unreadable > 0 {
		add("%d certificates of its trust store are passed by: they cannot be read", store.Unreadable)
	}
	if store.Unmarked > 0 {
		add("%d certificates of its trust store are not trusted: they lack Java's mark (import them with keytool)",
			store.Unmarked)
	}
	if !t.Machine.ComparesLDAPSNames() {
		add("it compares no names over ldaps (-D%s)", PropertyNoLDAPSNames)
	}
}

func (t *Trust) authorities() []Authority {
	var all []Authority
	for _, cert := range t.certs {
		all = append(all, authorityOf(cert))
	}
	return all
}

// OpensByDefault says whether Java's default password is that of the store, or none is needed. It reads the file again.
func (t *Trust) OpensByDefault() bool {
	_, err := keystore.Read(t.Store.Path, keystore.Options{Passwords: []string{keystore.DefaultPassword}})
	return err == nil
}

// Holds says whether the store has this very certificate.
func (t *Trust) Holds(cert *x509.Certificate) bool {
	for _, one := range t.certs {
		if one.Equal(cert) {
			return true
		}
	}
	return false
}
