package jvm

import (
	"strings"
	"testing"
)

// TestSentence: those that real connections of the checks' tests do not bring about, as OpenJDK's source has them. The
// particular wins over the general, and a line that only looks alike is none.
func TestSentence(t *testing.T) {
	t.Parallel()
	const path = "PKIX path validation failed: java.security.cert.CertPathValidatorException: "
	const tunnel = "java.io.IOException: Unable to tunnel through proxy. Proxy returns "
	for _, test := range []struct {
		line string
		want Complaint
	}{
		{"Caused by: java.net.UnknownHostException: host.test: Name or service not known", ComplainsOfDNS},
		{"java.net.SocketTimeoutException: Connect timed out", ComplainsOfSilence},
		{"java.net.NoRouteToHostException: No route to host", ComplainsOfUnreachable},
		{tunnel + `"HTTP/1.1 407 Proxy Authentication Required"`, ComplainsOfProxyAuth},
		{tunnel + `"HTTP/1.1 403 Forbidden"`, ComplainsOfProxy},
		{"javax.naming.AuthenticationException: [LDAP: error code 49 - data 52e]", ComplainsOfBind},
		{"SSLPeerUnverifiedException: hostname of the server 'h' does not match the hostname in the server's certificate.",
			ComplainsOfName},
		{path + "Certificate has been revoked", ComplainsOfRevoked},
		{path + "validity check failed", ComplainsOfExpiry},
		{path + "validity check failed; CertificateNotYetValidException: NotBefore: Mon Jan 01", ComplainsOfEarly},
		{"simple bind failed: host.test:636 [Root exception is java.net.SocketException: Connection or outbound has closed]",
			ComplainsOfClosed},
		{"INFO sync done, 120 users", ""},
		{strings.Repeat("x", maxLine) + "UnknownHostException", ""},
		{"", ""},
	} {
		if got, ok := Sentence(test.line); got != test.want || ok != (test.want != "") {
			t.Errorf("%.80s: %q, want %q", test.line, got, test.want)
		}
	}
}
