package tlsprobe

import "strconv"

// Alert is a TLS alert's description (RFC 8446 section 6; those of older versions too, RFC 5246 section 7.2).
type Alert uint8

// The alerts that decide a failure.
const (
	alertHandshakeFailure       Alert = 40
	alertNoCertificate          Alert = 41
	alertBadCertificate         Alert = 42
	alertUnsupportedCertificate Alert = 43
	alertCertificateRevoked     Alert = 44
	alertCertificateExpired     Alert = 45
	alertCertificateUnknown     Alert = 46
	alertUnknownCA              Alert = 48
	alertAccessDenied           Alert = 49
	alertProtocolVersion        Alert = 70
	alertInsufficientSecurity   Alert = 71
	alertUnrecognizedName       Alert = 112
	alertCertificateRequired    Alert = 116
	alertNoApplicationProtocol  Alert = 120
)

// String is the alert's name in the RFC with its number, such as unrecognized_name (112).
func (a Alert) String() string {
	return alertName(a) + " (" + strconv.Itoa(int(a)) + ")"
}

func alertName(a Alert) string {
	names := map[Alert]string{
		0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed",
		22: "record_overflow", 30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate",
		42: "bad_certificate", 43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired",
		46: "certificate_unknown", 47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error",
		51: "decrypt_error", 60: "export_restriction", 70: "protocol_version", 71: "insufficient_security",
		80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation",
		109: "missing_extension", 110: "unsupported_extension", 111: "certificate_unobtainable",
		112: "unrecognized_name", 113: "bad_certificate_status_response", 114: "bad_certificate_hash_value",
		115: "unknown_psk_identity", 116: "certificate_required", 120: "no_application_protocol",
		121: "ech_required",
	}
	if name, ok := names[a]; ok {
		return name
	}
	return "unassigned"
}

// meaning is what the alert says of a handshake, where its name alone does not tell; empty for most.
func (a Alert) meaning() string {
	switch a {
	case alertUnrecognizedName:
		return "it does not know the server name"
	case alertNoApplicationProtocol:
		return "it speaks none of the application protocols that ALPN offered"
	}
	return ""
}
