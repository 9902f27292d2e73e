package tlsprobe

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// The places of crypto/x509 (root_linux.go) on Linux. They are read here, and not by x509.SystemCertPool, because a
// pool does not tell what it holds, which is needed to say what is wrong with a chain.
func systemFiles() []string {
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		return []string{file}
	}
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Gentoo, Arch
		"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL 6
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/tls/cacert.pem",                           // OpenELEC
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7 and later
		"/etc/ssl/cert.pem",                                 // Alpine
	}
}

func systemFolders() []string {
	if folders := os.Getenv("SSL_CERT_DIR"); folders != "" {
		return strings.Split(folders, ":")
	}
	return []string{"/etc/ssl/certs", "/etc/pki/tls/certs"}
}

// loadSystem reads the first bundle that is there and, as crypto/x509 does, every folder too.
func (r *Roots) loadSystem() error {
	var errs []error
	found := false
	for _, file := range systemFiles() {
		err := r.loadFile(file)
		if err == nil {
			found = true
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, folder := range systemFolders() {
		found = r.loadFolder(folder) == nil || found
	}
	if !found {
		errs = append(errs, errors.New("install the package ca-certificates, or name a PEM file"))
		return fmt.Errorf("no system trust store: %w", errors.Join(errs...))
	}
	return nil
}
