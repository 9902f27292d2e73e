package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/config"
)

// TestDNSValidator holds when a dns check validates by itself, and that a file without a usable anchor is refused.
func TestDNSValidator(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "anchor")
	if err := os.WriteFile(bad, []byte(". IN NS a.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		check     config.DNS
		validates bool
		fails     string
	}{
		{config.DNS{Dnssec: config.DnssecOff}, false, ""},
		{config.DNS{Dnssec: config.DnssecRequire}, false, ""},
		{config.DNS{Dnssec: config.DnssecValidate}, true, ""},
		{config.DNS{Name: "a", Dnssec: config.DnssecValidate, TrustAnchor: bad}, false, "check a: trust anchors " + bad},
	} {
		validator, err := dnsValidator(c.check)
		if validator != nil != c.validates || (err != nil) != (c.fails != "") ||
			err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%+v: %v, %v", c.check, validator, err)
		}
	}
}
