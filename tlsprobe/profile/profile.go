package profile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Profile is what one TLS client offers, each list in the client's own order of preference, in the numbers of the TLS
// registries (RFC 8446 section 11). It is never changed once it is made.
type Profile struct {
	Name       string   // whose it is, for sentences: Java 17
	Versions   []uint16 // newest first; empty: the client cannot speak TLS at all
	Suites     []uint16 // without TLS_EMPTY_RENEGOTIATION_INFO_SCSV, which is no suite
	Groups     []uint16 // of key exchange
	Signatures []uint16 // schemes that it takes in the handshake

	MinimumRSABits int    // of keys in certificates, whatever their use; 0 for no minimum
	Rules          []Rule // that certificates are judged by: see Denied
	// Unknown are the suites, groups, versions and schemes that the settings name and this package does not know; a
	// client that knows them offers more than is said here.
	Unknown []string
}

// Settings are the properties that decide what a Java virtual machine offers, as they stand, empty where they are not
// set. A security property is one of java.security, the rest are -D flags.
type Settings struct {
	Feature int // the feature release: 8, 11, 17; 0 is taken for 17

	TLSDisabled      string // security property jdk.tls.disabledAlgorithms
	CertPathDisabled string // security property jdk.certpath.disabledAlgorithms
	DisabledCurves   string // security property jdk.disabled.namedCurves, which the two above may include

	ClientProtocols  string // jdk.tls.client.protocols
	ClientSuites     string // jdk.tls.client.cipherSuites
	NamedGroups      string // jdk.tls.namedGroups
	SignatureSchemes string // jdk.tls.client.SignatureSchemes
	HTTPSProtocols   string // https.protocols: of HttpsURLConnection alone, so leave it empty for LDAP
	HTTPSSuites      string // https.cipherSuites: likewise
	NoFFDHE          bool   // jsse.enableFFDHE=false
}

// Releases at which the built-in lists changed.
const (
	withChaCha20  = 12 // JDK-8140466
	withEdwards   = 15 // Ed25519 and Ed448, JEP 339
	withXDH       = 11 // X25519 and X448, JEP 324
	withoutTDES   = 25 // 3DES is not enabled by then, whatever is allowed
	latestLTS     = 17 // stands for a release that is not known
	firstOfStrict = 24 // from here on the RSA key exchange is disabled as delivered, JDK-8245545
)

// Stock is what a Java virtual machine of a feature release offers as its makers deliver it. The order is that of the
// updates since 2020 (JDK-8163326).
func Stock(feature int) Profile {
	s := Settings{
		Feature: feature,
		TLSDisabled: "SSLv3, TLSv1, TLSv1.1, RC4, DES, MD5withRSA, DH keySize < 1024, EC keySize < 224, 3DES_EDE_CBC, " +
			"anon, NULL, ECDH",
		CertPathDisabled: "MD2, MD5, SHA1 jdkCA & usage TLSServer, RSA keySize < 1024, DSA keySize < 1024, " +
			"EC keySize < 224",
	}
	if feature >= firstOfStrict {
		s.TLSDisabled += ", TLS_RSA_*, rsa_pkcs1_sha1 usage HandshakeSignature, " +
			"ecdsa_sha1 usage HandshakeSignature, dsa_sha1 usage HandshakeSignature"
	}
	p, _ := Of(s) // a constant; the tests hold that it parses
	return p
}

// Any is everything that this package knows, disabled or not.
func Any() Profile {
	p, _ := Of(Settings{Feature: latestLTS}) // nothing in it can fail to be read
	return p
}

// Of is what a Java virtual machine with these settings offers. What of them cannot be read is in the error (such a
// virtual machine cannot speak TLS at all), and the profile is made of the rest.
func Of(s Settings) (Profile, error) {
	if s.Feature <= 0 {
		s.Feature = latestLTS
	}
	p := Profile{Name: "Java " + strconv.Itoa(s.Feature)}
	curves := map[string]string{"jdk.disabled.namedcurves": s.DisabledCurves}
	protocol, err := Parse(s.TLSDisabled, curves)
	if err != nil {
		err = fmt.Errorf("jdk.tls.disabledAlgorithms: %w", err)
	}
	path, pathErr := Parse(s.CertPathDisabled, curves)
	if pathErr != nil {
		err = errors.Join(err, fmt.Errorf("jdk.certpath.disabledAlgorithms: %w", pathErr))
	}
	p.Rules = slices.Concat(protocol, path)
	p.MinimumRSABits = minimumRSA(p.Rules)
	n := narrowing{Settings: s, protocol: protocol, path: path, profile: &p}
	n.versions()
	n.suites()
	n.matchVersions()
	n.groups()
	n.schemes()
	return p, err
}

// Offers says whether the client offers a version of TLS.
func (p Profile) Offers(version uint16) bool { return slices.Contains(p.Versions, version) }
