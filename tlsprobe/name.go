package tlsprobe

import (
	"crypto/tls"

	"sallyport/tlsprobe/profile"
)

// SuiteName is the registry's name of a suite, also of one that crypto/tls does not have, or its number.
func SuiteName(id uint16) string {
	if name := profile.SuiteName(id); name != "" {
		return name
	}
	return tls.CipherSuiteName(id)
}

// GroupName is the name of a group of key exchange, also of one that crypto/tls does not have, or its number.
func GroupName(id tls.CurveID) string {
	if name := profile.GroupName(uint16(id)); name != "" && !knownGroup(uint16(id)) {
		return name
	}
	return id.String()
}
