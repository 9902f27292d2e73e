package service

import (
	"regexp"
	"slices"
	"strings"

	"sallyport/check"
	"sallyport/netcheck/directory"
	"sallyport/netcheck/plain"
	"sallyport/tlsprobe/jvm"
)

const (
	maxSentence = 200 // characters of a complaint that are shown
	maxHost     = 253 // of a name (RFC 1035 section 2.3.4)
)

// Where the JVM, its naming service and the HTTP clients that are usual there say whom they spoke to.
var (
	aboutHost = regexp.MustCompile(`(?:UnknownHostException: |No subject alternative DNS name matching |No name matching |` +
		`No subject alternative names matching IP address |CommunicationException: (?:simple bind failed: )?|Connect to |` +
		`ldaps?://|https?://)` +
		`\[?([0-9A-Za-z._:-]+)`)

	secretValue = regexp.MustCompile(`(?i)\b([a-z0-9_.-]*` +
		`(?:password|passwd|pwd|secret|token|credentials?|api[_-]?key|authorization)` +
		`["']?\s*[=:]\s*)(?:"[^"]*"?|'[^']*'?|(?:basic|bearer|digest)\s+\S+|\S+)`)
	secretScheme = regexp.MustCompile(`(?i)\b(basic|bearer)\s+[a-z0-9+/_.~=-]{8,}`)
	secretURL    = regexp.MustCompile(`(://)[^/@\s]+@`)
)

// complaint is what a line complains of; false where it says nothing that is known.
func complaint(line string) (Complaint, bool) {
	about, found := jvm.Sentence(line)
	if !found {
		return Complaint{}, false
	}
	cause := check.Cause(about)
	if about == jvm.ComplainsOfBind {
		cause = directory.BindCause(line) // Java's exception quotes the directory's message
	}
	return Complaint{Cause: cause, Text: plain.Text(sentence(line), maxSentence), Host: hostOf(line)}, true
}

// sentence is the part of a line that a person reads: from the name of the exception on, without secrets.
func sentence(line string) string {
	line = strings.TrimSpace(masked(line))
	at := strings.Index(line, "Exception")
	if at < 0 {
		return line
	}
	return line[strings.LastIndexAny(line[:at], " \t[(\"")+1:]
}

// masked is a text with what may be a secret in it replaced.
func masked(text string) string {
	text = secretURL.ReplaceAllString(text, "$1***@")
	text = secretValue.ReplaceAllString(text, "$1***")
	return secretScheme.ReplaceAllString(text, "$1 ***")
}

// hostOf is whom a line is about; empty where it does not say.
func hostOf(line string) string {
	found := aboutHost.FindStringSubmatch(secretURL.ReplaceAllString(line, "$1"))
	if found == nil {
		return ""
	}
	host := strings.TrimRight(found[1], ".:")
	if name, port, ok := strings.Cut(host, ":"); ok && !strings.Contains(port, ":") {
		host = name // else it is an IPv6 address
	}
	if len(host) > maxHost || !strings.ContainsAny(host, ".:") {
		return "" // a word, or a name that stands for several
	}
	return host
}

// Agrees says whether a complaint of the JVM's and a finding of a check can be about the same fault: the JVM tells less
// apart, and may notice a fault by another of its effects.
func Agrees(complaint, finding check.Cause) bool {
	if complaint == finding {
		return true
	}
	if slices.Contains(reasons(), complaint) {
		return finding == check.LDAPInvalidCredentials || finding == check.LDAPNotRetried
	}
	switch jvm.Complaint(complaint) {
	case jvm.ComplainsOfDNS:
		return finding.Layer() == check.LayerDNS || finding == check.ConnectNoAddress
	case jvm.ComplainsOfProxy, jvm.ComplainsOfProxyAuth:
		return finding.Layer() == check.LayerProxy
	case jvm.ComplainsOfClosed:
		if finding.Layer() == check.LayerCertificate {
			return true // Java's LDAP tells who writes no more, while who reads refuses the certificate
		}
	case jvm.ComplainsOfBind:
		return finding.Layer() == check.LayerLDAP
	}
	return slices.Contains(alike(jvm.Complaint(complaint)), finding)
}

// reasons are what Active Directory gives for a refused bind, and Java's exception quotes.
func reasons() []check.Cause {
	return []check.Cause{
		check.LDAPNoSuchUser, check.LDAPBadPassword, check.LDAPLogonHours, check.LDAPWorkstation, check.LDAPPasswordExpired,
		check.LDAPAccountDisabled, check.LDAPAccountExpired, check.LDAPPasswordMustChange, check.LDAPAccountLocked,
	}
}

// alike are the causes besides the one of the same code for which the JVM has the same sentence.
func alike(complaint jvm.Complaint) []check.Cause {
	return map[jvm.Complaint][]check.Cause{
		jvm.ComplainsOfAuthority: {check.CertSelfSigned, check.CertIncompleteChain, check.CertJavaUntrusted,
			check.CertIntercepted, check.CertWeakKey, check.CertWeakSignature, check.CertChainExpired, check.CertUsage},
		jvm.ComplainsOfExpiry:      {check.CertChainExpired, check.ClockSkew, check.CertJavaUntrusted},
		jvm.ComplainsOfEarly:       {check.ClockSkew, check.CertJavaUntrusted},
		jvm.ComplainsOfName:        {check.CertIntercepted},
		jvm.ComplainsOfAlgorithm:   {check.CertWeakKey, check.CertJavaUntrusted},
		jvm.ComplainsOfUsage:       {check.CertJavaUntrusted},
		jvm.ComplainsOfVersion:     {check.TLSLegacy, check.TLSAlert},
		jvm.ComplainsOfCipher:      {check.TLSAlert, check.TLSVersion, check.TLSClientCertificate},
		jvm.ComplainsOfAlert:       {check.TLSCipher, check.TLSVersion, check.TLSClientCertificate},
		jvm.ComplainsOfClient:      {check.TLSAlert},
		jvm.ComplainsOfNotTLS:      {check.TLSMalformed},
		jvm.ComplainsOfClosed:      {check.TLSReset, check.TLSClientCertificate, check.TLSNotTLS},
		jvm.ComplainsOfReset:       {check.TLSReset, check.TLSClosed, check.LDAPClosed},
		jvm.ComplainsOfSlowness:    {check.LDAPTimeout, check.TLSHelloDropped},
		jvm.ComplainsOfRefused:     {check.ConnectBlockedHere, check.ProxyRefused},
		jvm.ComplainsOfSilence:     {check.ConnectBlockedHere, check.ConnectUnreachable, check.ProxyRefused},
		jvm.ComplainsOfUnreachable: {check.ConnectBlockedHere, check.ConnectSource},
	}[complaint]
}
