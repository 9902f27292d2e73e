package tlsprobe

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"strings"
	"unicode"
)

// inspectors are the words by which the authorities of TLS-inspecting products go in CN, O or OU when nobody renamed
// them. Some of their makers had public authorities too; no such word is here alone.
func inspectors() []string {
	return []string{
		"zscaler", "netskope", "goskope", "palo alto", "paloalto", "fortinet", "fortigate", "blue coat", "bluecoat",
		"proxysg", "symantec web security", "sophos", "cisco umbrella", "opendns", "mcafee", "skyhigh", "forcepoint",
		"websense", "check point", "checkpoint", "squid", "mitmproxy", "kaspersky", "eset", "avast", "avg", "bitdefender",
		"sonicwall", "watchguard", "barracuda", "smoothwall", "iboss", "menlo security", "gateway ca cloudflare managed",
		"lightspeed", "securly", "untangle", "do_not_trust_fiddlerroot", "charles proxy", "portswigger",
	}
}

// inspected says that nobody trusted vouches for a public name because a TLS-inspecting product does, told by the name of
// an authority of the chain. A certificate alone proves nothing by its names: this only says why it is refused.
func (j *judgement) inspected(last *x509.Certificate) bool {
	if !j.Public {
		return false
	}
	names := []pkix.Name{last.Issuer}
	for _, authority := range j.path.certs[1:] {
		names = append(names, authority.Subject)
	}
	for _, name := range names {
		if product := inspector(name); product != "" {
			j.find(Intercepted, Fatal, last, "a TLS-inspecting proxy vouches for this public name, and is not trusted: "+
				quote(name.String())+" (told by the name "+product+")")
			return true
		}
	}
	return false
}

// inspector is the product that a name belongs to; empty for none.
func inspector(name pkix.Name) string {
	for _, text := range slices.Concat([]string{name.CommonName}, name.Organization, name.OrganizationalUnit) {
		words := " " + strings.Join(strings.FieldsFunc(strings.ToLower(text), notWord), " ") + " "
		for _, product := range inspectors() {
			if strings.Contains(words, " "+product+" ") {
				return product
			}
		}
	}
	return ""
}

func notWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' }
