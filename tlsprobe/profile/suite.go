package profile

import (
	"slices"
	"strings"
)

// suite is a cipher suite that a Java virtual machine may have enabled.
type suite struct {
	id   uint16
	name string
}

// javaSuites are those that are enabled where nothing is disabled, in the order of Java 17.
func javaSuites() []suite {
	return slices.Concat([]suite{
		{0x1302, "TLS_AES_256_GCM_SHA384"}, {0x1301, "TLS_AES_128_GCM_SHA256"}, {0x1303, "TLS_CHACHA20_POLY1305_SHA256"},
		{0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"}, {0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
		{0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"}, {0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
		{0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"}, {0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
		{0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"}, {0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
		{0x00a3, "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384"}, {0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"},
		{0x00a2, "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256"},
		{0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"}, {0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"},
		{0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"}, {0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"},
		{0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"}, {0x006a, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA256"},
		{0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"}, {0x0040, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256"},
	}, staticECDH(), []suite{
		{0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"}, {0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"},
		{0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"}, {0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"},
		{0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"}, {0x0038, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA"},
		{0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"}, {0x0032, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA"},
		{0xc005, "TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA"}, {0xc00f, "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA"},
		{0xc004, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA"}, {0xc00e, "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA"},
		{0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"}, {0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"},
		{0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"}, {0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"},
		{0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"}, {0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"},
		{0xc008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"}, {0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"},
		{0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"}, {0x0013, "TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA"},
		{0xc003, "TLS_ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA"}, {0xc00d, "TLS_ECDH_RSA_WITH_3DES_EDE_CBC_SHA"},
		{0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"},
	})
}

// staticECDH are the suites of TLS 1.2 whose key exchange is that of the certificate.
func staticECDH() []suite {
	return []suite{
		{0xc02e, "TLS_ECDH_ECDSA_WITH_AES_256_GCM_SHA384"}, {0xc032, "TLS_ECDH_RSA_WITH_AES_256_GCM_SHA384"},
		{0xc02d, "TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256"}, {0xc031, "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256"},
		{0xc026, "TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384"}, {0xc02a, "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384"},
		{0xc025, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256"}, {0xc029, "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256"},
	}
}

// SuiteName is the registry's name of a suite that a Java virtual machine may offer; empty for any other.
func SuiteName(id uint16) string {
	for _, s := range javaSuites() {
		if s.id == id {
			return s.name
		}
	}
	return ""
}

// modern says that it is a suite of TLS 1.3, which names no key exchange.
func (s suite) modern() bool { return !strings.Contains(s.name, "_WITH_") }

// recent says that the suite came with TLS 1.2: its MAC or its cipher is none of TLS 1.0 (RFC 5246 section 1.2).
func (s suite) recent() bool { return !strings.HasSuffix(s.name, "_SHA") }

// has says whether a part of the suite's name is that: a key exchange or a cipher.
func (s suite) has(part string) bool { return strings.Contains(s.name, part) }

// exchangeParts are the names by which a rule may deny the suite's key exchange (SSLAlgorithmDecomposer).
func (s suite) exchangeParts() []string {
	exchange, _, found := strings.Cut(strings.TrimPrefix(s.name, "TLS_"), "_WITH_")
	if !found {
		return nil
	}
	parts := append(strings.Split(exchange, "_"), exchange)
	if strings.HasPrefix(exchange, "DHE_") {
		parts = append(parts, "DH", "DiffieHellman")
	}
	if strings.HasSuffix(exchange, "DSS") {
		parts = append(parts, "DSA")
	}
	return parts
}

// parts are all names by which a rule may deny the suite: itself, its key exchange, cipher, mode and digest.
func (s suite) parts() []string {
	rest := strings.TrimPrefix(s.name, "TLS_")
	if _, after, ok := strings.Cut(rest, "_WITH_"); ok {
		rest = after
	}
	cut := strings.LastIndexByte(rest, '_')
	cipher, digest := rest[:cut], rest[cut+1:]
	if digest == "SHA" {
		digest = "SHA1"
	}
	other, _ := dashed(digest)
	parts := append(s.exchangeParts(), s.name, "SSL"+strings.TrimPrefix(s.name, "TLS"), cipher, digest, other, "Hmac"+digest)
	switch {
	case s.has("CHACHA20"):
		return append(parts, "ChaCha20-Poly1305")
	case s.has("3DES"):
		return append(parts, "DESede", "CBC", "NoPadding")
	case s.has("GCM"):
		return append(parts, "AES", "GCM", "NoPadding")
	default:
		return append(parts, "AES", "CBC", "NoPadding")
	}
}
