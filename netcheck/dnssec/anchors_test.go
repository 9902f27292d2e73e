package dnssec

import (
	"strings"
	"testing"
)

// FuzzParseAnchors holds that whatever a file of anchors has, it is read or refused, and what is read stands in a zone.
func FuzzParseAnchors(f *testing.F) {
	f.Add(". 172800 IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D")
	f.Add("$INCLUDE /etc/passwd\n$GENERATE 1-99999999 $ DS 1 8 2 00")
	f.Add("example. DNSKEY 257 3 8 AwEAAQ==")
	f.Fuzz(func(t *testing.T, text string) {
		anchors, err := ParseAnchors(strings.NewReader(text), "anchors")
		if err == nil && len(anchors.zones) == 0 {
			t.Errorf("nothing is read of %q", text)
		}
	})
}
