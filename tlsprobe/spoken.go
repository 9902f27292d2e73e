package tlsprobe

import (
	"bytes"
	"strings"
)

// spoken is the protocol of a server that answered a ClientHello with these bytes, or greeted before it; empty where
// they do not tell.
func spoken(said []byte) string {
	if ldap(said) {
		return "LDAP without TLS"
	}
	text := strings.ToUpper(string(said))
	switch {
	case strings.HasPrefix(text, "HTTP/"), strings.HasPrefix(text, "<HTML"), strings.HasPrefix(text, "<!DOCTYPE HTML"):
		return "HTTP"
	case strings.HasPrefix(text, "SSH-"):
		return "SSH"
	case strings.HasPrefix(text, "* OK"), strings.HasPrefix(text, "* PREAUTH"), strings.HasPrefix(text, "* BYE"):
		return "IMAP"
	case strings.HasPrefix(text, "+OK"):
		return "POP3"
	case !greets(text):
		return ""
	case strings.Contains(text, "FTP"):
		return "FTP"
	default: // RFC 5321 section 4.2: 220, 421 and 554 open a session, or refuse to
		return "SMTP"
	}
}

// greets says whether the text begins as the reply of SMTP or FTP that opens a session, or refuses to.
func greets(text string) bool {
	if len(text) < 4 || text[3] != ' ' && text[3] != '-' {
		return false
	}
	return text[:3] == "220" || text[:3] == "421" || text[:3] == "554"
}

// ldap says whether the bytes begin as an LDAPMessage (RFC 4511 section 4.1.1): a sequence, of which the first element is
// the message's number, as in a notice of disconnection, which has the number 0.
func ldap(said []byte) bool {
	const sequence, integer = 0x30, 0x02
	if len(said) < 2 || said[0] != sequence {
		return false
	}
	rest := said[2:]
	if long := said[1]; long >= 0x80 { // X.690 section 8.1.3.5: so many octets of length follow
		rest = rest[min(int(long&0x7f), len(rest)):]
	}
	return bytes.HasPrefix(rest, []byte{integer, 1}) || bytes.HasPrefix(rest, []byte{integer, 2}) ||
		bytes.HasPrefix(rest, []byte{integer, 4})
}
