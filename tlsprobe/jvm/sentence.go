package jvm

import "strings"

// Complaint is what a sentence of the JVM is about. Its values are the codes of the causes that Sallyport reports for
// the same fault.
type Complaint string

// The complaints that are told apart.
const (
	ComplainsOfAuthority   Complaint = "cert.unknown-authority"
	ComplainsOfExpiry      Complaint = "cert.expired"
	ComplainsOfEarly       Complaint = "cert.not-yet-valid"
	ComplainsOfName        Complaint = "cert.name-mismatch"
	ComplainsOfAlgorithm   Complaint = "cert.weak-signature"
	ComplainsOfUsage       Complaint = "cert.usage"
	ComplainsOfRevoked     Complaint = "cert.revoked"
	ComplainsOfVersion     Complaint = "tls.version"
	ComplainsOfCipher      Complaint = "tls.cipher"
	ComplainsOfNotTLS      Complaint = "tls.not-tls"
	ComplainsOfAlert       Complaint = "tls.alert"
	ComplainsOfClient      Complaint = "tls.client-certificate"
	ComplainsOfClosed      Complaint = "tls.closed"
	ComplainsOfSlowness    Complaint = "tls.timeout"
	ComplainsOfRefused     Complaint = "connect.refused"
	ComplainsOfSilence     Complaint = "connect.timeout"
	ComplainsOfUnreachable Complaint = "connect.unreachable"
	ComplainsOfReset       Complaint = "connect.reset"
	ComplainsOfDNS         Complaint = "dns.nxdomain"
	ComplainsOfProxyAuth   Complaint = "proxy.auth"
	ComplainsOfProxy       Complaint = "proxy.denied"
	ComplainsOfBind        Complaint = "ldap.invalid-credentials"
)

// maxLine is how much of a line is looked at.
const maxLine = 8 << 10

// Sentence is what a line of a JVM's log complains of; false where it says nothing that is known. The sentences are
// those of OpenJDK 8 to 25, which real connections pin in the tests. One that names a cause of its own wins over the
// exception that carries it.
func Sentence(line string) (Complaint, bool) {
	line = line[:min(len(line), maxLine)]
	for _, s := range sentences() {
		if strings.Contains(line, s.words) {
			return s.complaint, true
		}
	}
	return "", false
}

type sentence struct {
	words     string
	complaint Complaint
}

// sentences are in the order in which they are asked: the particular before the general.
func sentences() []sentence {
	return []sentence{
		{"unable to find valid certification path", ComplainsOfAuthority},
		{"PKIX path building failed", ComplainsOfAuthority},
		{"the trustAnchors parameter must be non-empty", ComplainsOfAuthority},
		{"Path does not chain with any of the trust anchors", ComplainsOfAuthority},
		{"No trusted certificate found", ComplainsOfAuthority},
		{"CertificateNotYetValidException", ComplainsOfEarly},
		{"NotBefore: ", ComplainsOfEarly},
		{"CertificateExpiredException", ComplainsOfExpiry},
		{"NotAfter: ", ComplainsOfExpiry},
		{"validity check failed", ComplainsOfExpiry},
		{"No subject alternative DNS name matching", ComplainsOfName},
		{"No subject alternative names matching IP address", ComplainsOfName},
		{"No subject alternative names present", ComplainsOfName},
		{"No name matching", ComplainsOfName},
		{"does not match the hostname in the server's certificate", ComplainsOfName}, // JNDI's after StartTLS
		{"Algorithm constraints check failed", ComplainsOfAlgorithm},
		{"Certificates do not conform to algorithm constraints", ComplainsOfAlgorithm},
		{"does not permit use for TLS server authentication", ComplainsOfUsage},
		{"Certificate has been revoked", ComplainsOfRevoked},
		{"UnknownHostException", ComplainsOfDNS},
		{"Connection refused", ComplainsOfRefused},
		{"Connect timed out", ComplainsOfSilence},
		{"connect timed out", ComplainsOfSilence},
		{"Connection timed out", ComplainsOfSilence},
		{"Read timed out", ComplainsOfSlowness},
		{"No route to host", ComplainsOfUnreachable},
		{"Network is unreachable", ComplainsOfUnreachable},
		{"Unable to tunnel through proxy. Proxy returns \"HTTP/1.1 407", ComplainsOfProxyAuth},
		{"Unable to tunnel through proxy. Proxy returns \"HTTP/1.0 407", ComplainsOfProxyAuth},
		{"Unable to tunnel through proxy", ComplainsOfProxy},
		{"Unsupported or unrecognized SSL message", ComplainsOfNotTLS},
		{"plaintext connection?", ComplainsOfNotTLS},
		{"is not accepted by client preferences", ComplainsOfVersion},
		{"fatal alert: protocol_version", ComplainsOfVersion},
		{"No appropriate protocol", ComplainsOfVersion},
		{"fatal alert: certificate_required", ComplainsOfClient},
		{"fatal alert: bad_certificate", ComplainsOfClient},
		{"fatal alert: handshake_failure", ComplainsOfCipher},
		{"fatal alert: insufficient_security", ComplainsOfCipher},
		{"fatal alert: ", ComplainsOfAlert},
		{"Remote host terminated the handshake", ComplainsOfClosed},
		{"Remote host closed connection during handshake", ComplainsOfClosed},
		{"Connection or outbound has closed", ComplainsOfClosed}, // to who writes while the handshake fails for who reads
		{"Connection reset", ComplainsOfReset},
		{"LDAP: error code 49", ComplainsOfBind},
	}
}
