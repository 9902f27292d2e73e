package jvm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sallyport/tlsprobe/keystore"
)

// StoreFile is the file that a machine takes its authorities from.
type StoreFile struct {
	Path string // empty: the machine was told to trust none
	How  string // why it is this one
}

// StoreFile is the store that the default trust manager reads: that of the flag, even if it is not there; else
// jssecacerts, else cacerts (JSSE reference guide, "The trust store"; sun.security.ssl.TrustStoreManager).
func (m Machine) StoreFile() StoreFile {
	if value, set := m.Flags[PropertyTrustStore]; set && value != "" {
		if value == "NONE" {
			return StoreFile{How: "by -D" + PropertyTrustStore + "=NONE"}
		}
		return StoreFile{Path: m.path(value), How: "by -D" + PropertyTrustStore}
	}
	own := filepath.Join(m.Home, "lib/security/jssecacerts")
	if _, err := os.Stat(own); err == nil {
		return StoreFile{Path: own, How: "its own jssecacerts"}
	}
	return StoreFile{Path: filepath.Join(m.Home, "lib/security/cacerts"), How: "its own cacerts"}
}

// options are how the machine opens its store: with the flag's password, or with none, which leaves unread what is
// encrypted. Java's default password is not tried: Java does not try it either. The operator may know of one that is set
// in a way that is not seen.
func (m Machine) options(passwords []string) keystore.Options {
	if set := m.Flags[PropertyTrustStorePassword]; set != "" {
		return keystore.Options{Passwords: []string{set}}
	}
	return keystore.Options{Passwords: passwords, Unchecked: true}
}

// errNobody is the error of a store that Java cannot use either: it trusts nobody, or cannot speak TLS at all.
type errNobody struct{ words, sentence string }

func (e *errNobody) Error() string { return e.words }

// open reads the store. The error is an *errNobody where Java fares no better.
func (f StoreFile) open(m Machine, passwords []string) (*keystore.Store, []byte, error) {
	if f.Path == "" {
		return nil, nil, &errNobody{"it is told to trust no authority", sentenceNoAnchors}
	}
	if kind := strings.ToUpper(m.Flags[PropertyTrustStoreType]); kind != "" && kind != "JKS" && kind != "PKCS12" {
		return nil, nil, fmt.Errorf("the service's trust store %s is of the type %s, which is not read: "+
			"set trust.java to off, or name a JKS or PKCS #12 file in its place", f.Path, strconv.QuoteToASCII(kind))
	}
	data, err := keystore.ReadBytes(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &errNobody{"its trust store " + f.Path + " is not there", sentenceNoAnchors}
	}
	if err != nil {
		return nil, nil, err
	}
	store, err := keystore.Parse(data, m.options(passwords))
	return store, data, f.usable(m, store, err)
}

// usable is nil for a store that Java can read and that has somebody in it.
func (f StoreFile) usable(m Machine, store *keystore.Store, err error) error {
	flag := "-D" + PropertyTrustStorePassword
	switch {
	case errors.Is(err, keystore.ErrPassword) && m.Flags[PropertyTrustStorePassword] != "":
		return &errNobody{"the password in its flag " + flag + " does not open its trust store " + f.Path,
			"password was incorrect"}
	case err != nil:
		return fmt.Errorf("trust store %s: %w", f.Path, err)
	case store.Kind == keystore.PEM:
		return &errNobody{"its trust store " + f.Path + " is PEM, which Java does not read", ""}
	case store.Sealed && len(store.Entries) == 0:
		return &errNobody{"its trust store " + f.Path + " is encrypted, and a Java that is not told the password reads " +
			"none of it: set " + flag + ", or write it anew with keytool and " +
			"-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE",
			sentenceNoAnchors}
	case len(store.Entries) == 0:
		return &errNobody{"its trust store " + f.Path + " has no trusted certificate", sentenceNoAnchors}
	}
	return nil
}
