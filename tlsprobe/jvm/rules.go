package jvm

import (
	"crypto/ecdsa"
	"crypto/x509"
	"strconv"
	"strings"
	"time"

	"sallyport/tlsprobe"
	"sallyport/tlsprobe/profile"
)

// rules are those by which a machine refuses certificates, whoever signed them.
type rules struct {
	profile profile.Profile
	like    *tlsprobe.Like
}

// Settings are what decides what the machine offers in a handshake. What counts for HttpsURLConnection alone is left out:
// whether the service uses that, is not known.
func (m Machine) Settings(properties map[string]string) profile.Settings {
	return profile.Settings{
		Feature:          m.Release.Feature(),
		TLSDisabled:      properties["jdk.tls.disabledAlgorithms"],
		CertPathDisabled: properties["jdk.certpath.disabledAlgorithms"],
		DisabledCurves:   properties["jdk.disabled.namedCurves"],
		ClientProtocols:  m.Flags[propertyProtocols], ClientSuites: m.Flags[propertySuites],
		NamedGroups: m.Flags[propertyGroups], SignatureSchemes: m.Flags[propertySchemes],
		NoFFDHE: m.Flags[propertyFFDHE] == "false",
	}
}

// Like is the machine as a client of TLS.
func (t *Trust) Like() *tlsprobe.Like { return t.rules.like }

func rulesOf(m Machine, properties map[string]string) (rules, error) {
	if len(properties) == 0 {
		p := profile.Stock(m.Release.Feature())
		return rules{p, tlsprobe.NewLike(p)}, nil
	}
	p, err := profile.Of(m.Settings(properties))
	return rules{p, tlsprobe.NewLike(p)}, err
}

// denies is the rule by which a certificate is refused; empty where there is none. The signature of one that stands in
// the store is not asked about: it proves nothing.
func (r rules) denies(cert *x509.Certificate, jdk, anchor bool, at time.Time) string {
	kind, bits := tlsprobe.KeyOf(cert)
	use := profile.Use{Key: javaKey(kind), Bits: bits, JDKCA: jdk, Time: at}
	if !anchor {
		use.Signature = javaSignature(cert.SignatureAlgorithm)
	}
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); ok {
		use.Curve = strings.NewReplacer("P-", "secp").Replace(key.Curve.Params().Name) + "r1"
	}
	if rule, denied := r.profile.Denied(use); denied {
		return rule.String()
	}
	return ""
}

// javaKey is Java's name of a kind of key.
func javaKey(kind string) string {
	switch kind {
	case "ECDSA":
		return "EC"
	case "Ed25519":
		return "EdDSA"
	default:
		return kind
	}
}

// javaSignature is Java's name of an algorithm: SHA256withRSA of SHA256-RSA and of ECDSA-SHA256 likewise.
func javaSignature(a x509.SignatureAlgorithm) string {
	switch a {
	case x509.PureEd25519:
		return "Ed25519"
	case x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS:
		return "RSASSA-PSS"
	case x509.UnknownSignatureAlgorithm:
		return ""
	}
	first, second, _ := strings.Cut(a.String(), "-")
	if first == "ECDSA" || first == "DSA" {
		first, second = second, first
	}
	return first + "with" + second
}

// name is the subject of a certificate, escaped and bounded.
func name(cert *x509.Certificate) string {
	subject := tlsprobe.SubjectText(cert)
	return strconv.QuoteToASCII(subject[:min(len(subject), 120)])
}
