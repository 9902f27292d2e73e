package tlsprobe

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
)

// TestDeciphers holds the list of suites against their names.
func TestDeciphers(t *testing.T) {
	t.Parallel()
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if deciphers(suite.ID) != strings.HasPrefix(suite.Name, "TLS_RSA_") {
			t.Errorf("%s: %t", suite.Name, deciphers(suite.ID))
		}
	}
}
