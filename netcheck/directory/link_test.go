package directory

import (
	"strings"
	"testing"
)

func TestParseLink(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text, host, base, filter, wrong string
		port                            uint16
	}{
		{text: "ldaps://b.test/ou=x,dc=b??sub", host: "b.test", port: 636, base: "ou=x,dc=b"},
		{text: "LDAPS://b.test.:1636/", host: "b.test", port: 1636},
		{text: "ldaps://[2001:db8::1]/o=a%20b?cn?sub?(sn=a%2ab)", host: "2001:db8::1", port: 636, base: "o=a b",
			filter: "(sn=a*b)"},
		{text: "ldap://b.test/", wrong: "ldaps://"},
		{text: "http://b.test/", wrong: "ldaps://"},
		{text: "ldaps://user:pw@b.test/", wrong: "no address"},
		{text: "ldaps:///dc=b", wrong: "no address"},
		{text: `ldaps://b.test/dc=\x1b[2J`, wrong: "no address"},
		{text: "ldaps://b.test:0/", wrong: "no address"},
		{text: "ldaps://b.test:99999/", wrong: "no address"},
		{text: "ldaps://b.test/dc=b??base", wrong: "no subtree"},
		{text: "ldaps://b.test/dc=b??sub?(cn=", wrong: "filter"},
		{text: "ldaps://b.test/dc=b??sub??!bindname=x", wrong: "extension"},
		{text: "", wrong: "no address"},
	}
	for _, tt := range tests {
		got, err := ParseLink(tt.text)
		if tt.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("%s: got %+v, %v; want that it has %q", tt.text, got, err, tt.wrong)
			}
			continue
		}
		filter := Filter{}
		if tt.filter != "" {
			filter, _ = NewFilter(tt.filter)
		}
		if err != nil || got.Host != tt.host || got.Port != tt.port || got.Base != tt.base ||
			got.Filter != filter {
			t.Errorf("%s: got %+v, %v", tt.text, got, err)
		}
	}
}

// FuzzParseLink holds that no address breaks the reading of it, or gets through as something else than it is.
func FuzzParseLink(f *testing.F) {
	for _, seed := range []string{"ldaps://b.test/ou=x,dc=b??sub?(cn=a)", "ldaps://[::1]:1/", "ldap://", "ldaps://%2f/??"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLink(text)
		if err != nil && !printable(err.Error()) {
			t.Errorf("%q", err)
		}
		if err == nil && (l.Host == "" || l.Port == 0 || !strings.EqualFold(text[:6], "ldaps:")) {
			t.Errorf("%q is %+v", text, l)
		}
	})
}
