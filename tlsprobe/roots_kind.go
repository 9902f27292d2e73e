package tlsprobe

import "bytes"

// otherKind tells a trust store of a kind that is not read, with what to do about it; empty for anything else. The
// content decides, not the name.
func otherKind(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte{0xCE, 0xCE, 0xCE, 0xCE}):
		return "is a Java JCEKS key store, which is not read here: convert it with keytool -importkeystore -srcstoretype " +
			"JCEKS -deststoretype PKCS12"
	case len(data) > 4 && data[0] == 0x30 && data[1] == 0x82:
		return "is a DER certificate: convert it to PEM with openssl x509 -inform DER -outform PEM"
	default:
		return ""
	}
}
