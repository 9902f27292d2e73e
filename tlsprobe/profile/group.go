package profile

import "strings"

// Versions of TLS (RFC 8446 section 4.2.1 and before).
const (
	tls10 = 0x0301
	tls11 = 0x0302
	tls12 = 0x0303
	tls13 = 0x0304
)

// version is a protocol version in Java's name.
type version struct {
	id   uint16
	name string
}

// javaVersions are those that are enabled where nothing is disabled, the newest first.
func javaVersions() []version {
	return []version{{tls13, "TLSv1.3"}, {tls12, "TLSv1.2"}, {tls11, "TLSv1.1"}, {tls10, "TLSv1"}}
}

// group is a group of key exchange in Java's name.
type group struct {
	id        uint16
	name      string
	algorithm string // EC, XDH, DH
	bits      int
}

// javaGroups are those that are offered where nothing is disabled, in Java's order (SupportedGroupsExtension).
func javaGroups() []group {
	return []group{
		{0x001d, "x25519", "XDH", 255}, {0x0017, "secp256r1", "EC", 256}, {0x0018, "secp384r1", "EC", 384},
		{0x0019, "secp521r1", "EC", 521}, {0x001e, "x448", "XDH", 448},
		{0x0100, "ffdhe2048", "DH", 2048}, {0x0101, "ffdhe3072", "DH", 3072}, {0x0102, "ffdhe4096", "DH", 4096},
		{0x0103, "ffdhe6144", "DH", 6144}, {0x0104, "ffdhe8192", "DH", 8192},
	}
}

// GroupName is Java's name of a group of key exchange that it may offer; empty for any other.
func GroupName(id uint16) string {
	for _, g := range javaGroups() {
		if g.id == id {
			return g.name
		}
	}
	return ""
}

// names are those by which a rule may deny the group (NamedGroup.isPermitted).
func (g group) names() []string {
	if g.algorithm == "DH" {
		return []string{g.name, "DH", "DiffieHellman"}
	}
	return []string{g.name, g.algorithm}
}

// scheme is a signature scheme in Java's names.
type scheme struct {
	id        uint16
	name      string
	algorithm string // of the signature
	key       string // of the key
}

// javaSchemes are those that are offered where nothing is disabled, in Java's order (SignatureScheme).
func javaSchemes() []scheme {
	return []scheme{
		{0x0403, "ecdsa_secp256r1_sha256", "SHA256withECDSA", "EC"},
		{0x0503, "ecdsa_secp384r1_sha384", "SHA384withECDSA", "EC"},
		{0x0603, "ecdsa_secp521r1_sha512", "SHA512withECDSA", "EC"},
		{0x0807, "ed25519", "Ed25519", "EdDSA"}, {0x0808, "ed448", "Ed448", "EdDSA"},
		{0x0804, "rsa_pss_rsae_sha256", "RSASSA-PSS", "RSA"}, {0x0805, "rsa_pss_rsae_sha384", "RSASSA-PSS", "RSA"},
		{0x0806, "rsa_pss_rsae_sha512", "RSASSA-PSS", "RSA"}, {0x0809, "rsa_pss_pss_sha256", "RSASSA-PSS", "RSASSA-PSS"},
		{0x080a, "rsa_pss_pss_sha384", "RSASSA-PSS", "RSASSA-PSS"},
		{0x080b, "rsa_pss_pss_sha512", "RSASSA-PSS", "RSASSA-PSS"},
		{0x0401, "rsa_pkcs1_sha256", "SHA256withRSA", "RSA"}, {0x0501, "rsa_pkcs1_sha384", "SHA384withRSA", "RSA"},
		{0x0601, "rsa_pkcs1_sha512", "SHA512withRSA", "RSA"}, {0x0402, "dsa_sha256", "SHA256withDSA", "DSA"},
		{0x0303, "ecdsa_sha224", "SHA224withECDSA", "EC"}, {0x0301, "rsa_sha224", "SHA224withRSA", "RSA"},
		{0x0302, "dsa_sha224", "SHA224withDSA", "DSA"}, {0x0203, "ecdsa_sha1", "SHA1withECDSA", "EC"},
		{0x0201, "rsa_pkcs1_sha1", "SHA1withRSA", "RSA"}, {0x0202, "dsa_sha1", "SHA1withDSA", "DSA"},
	}
}

func (s scheme) names() []string {
	return append(signatureParts(s.algorithm), s.name, s.algorithm, s.key)
}

// curve is that of an ECDSA scheme which is bound to one (RFC 8446 section 4.2.3); empty for any other.
func (s scheme) curve() string {
	rest, _ := strings.CutPrefix(s.name, "ecdsa_")
	curve, _, found := strings.Cut(rest, "_")
	if rest == s.name || !found {
		return ""
	}
	return curve
}
