package tlsprobe

import "bytes"

// otherKind tells a trust store of a kind that is not read, with what to do about it; empty for anything else. The
// content decides, not the name: Java's cacerts is a JKS or a PKCS #12 file.
func otherKind(data []byte) string {
	const convert = ": export its certificates as PEM, for example with keytool -exportcert -rfc"
	switch {
	case bytes.HasPrefix(data, []byte{0xFE, 0xED, 0xFE, 0xED}):
		return "is a Java KeyStore (JKS), which is not read here" + convert
	case bytes.HasPrefix(data, []byte{0xCE, 0xCE, 0xCE, 0xCE}):
		return "is a Java JCEKS key store, which is not read here" + convert
	case isPKCS12(data):
		return "is a PKCS #12 store, which is not read here" + convert
	case len(data) > 4 && data[0] == 0x30 && data[1] == 0x82:
		return "is a DER certificate: convert it to PEM with openssl x509 -inform DER -outform PEM"
	default:
		return ""
	}
}

// isPKCS12 knows a PFX by its first fields: a sequence that begins with the integer 3 (RFC 7292 section 4).
func isPKCS12(data []byte) bool {
	if len(data) < 8 || data[0] != 0x30 {
		return false
	}
	header := 2
	if data[1]&0x80 != 0 {
		header += int(data[1] & 0x7F)
	}
	return header+3 <= len(data) && bytes.Equal(data[header:header+3], []byte{0x02, 0x01, 0x03})
}
