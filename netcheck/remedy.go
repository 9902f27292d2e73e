package netcheck

import (
	"strings"

	"sallyport/check"
)

// remedyFor is what to do about a cause of the layers connect, tls and certificate at a target, in one sentence. It is
// empty for no cause.
func remedyFor(cause check.Cause, target string) string {
	if cause == "" {
		return ""
	}
	for _, remedies := range []map[check.Cause]string{
		connectRemedies(), tlsRemedies(), certificateRemedies(), clockRemedies(), tunnelRemedies(),
	} {
		if sentence, ok := remedies[cause]; ok {
			return strings.ReplaceAll(sentence, "TARGET", target)
		}
	}
	return "Read what sallyport explain " + string(cause) + " says, and look at " + target + " by hand."
}

func clockRemedies() map[check.Cause]string {
	return map[check.Cause]string{
		check.ClockSkew: "Compare the clock of this host with a third one (chronyc tracking; timedatectl), and set right " +
			"whichever of it and that of TARGET is wrong.",
	}
}

func connectRemedies() map[check.Cause]string {
	return map[check.Cause]string{
		check.ConnectRefused: "Start the service behind TARGET, or open the firewall that answers in its place.",
		check.ConnectTimeout: "Check that the host of TARGET is up, and that each firewall on the way lets it through.",
		check.ConnectUnreachable: "Mend the route to TARGET (ip route get ADDRESS), or ask the one who runs the router " +
			"that refuses.",
		check.ConnectReset: "Look at what stands before TARGET: an access list, a connection limit or a dead backend of " +
			"a load balancer resets every connection.",
		check.ConnectBlockedHere: "Let this host out to TARGET: look at ip route get ADDRESS, the firewall's output " +
			"chains and the IPAddressDeny of the service unit.",
		check.ConnectNoAddress: "Give TARGET an address of a family that this host has, or this host an address of " +
			"that family; where the check has a source, correct that.",
		check.ConnectSource: "Correct the source or the interface of the check to one that this host has (ip address), or " +
			"free local ports (ss -s): nothing was sent to TARGET.",
	}
}

func tlsRemedies() map[check.Cause]string {
	return map[check.Cause]string{
		check.TLSTimeout: "Look at the service behind TARGET, which accepts connections but does not answer: overload, " +
			"a dead backend, or a path that drops large packets.",
		check.TLSClosed: "Look into the log of TARGET, which hangs up in the handshake: an access list, a missing " +
			"certificate or a server name that it does not know.",
		check.TLSReset:   "Look into the log of TARGET, and for a firewall on the way that resets by server name.",
		check.TLSNotTLS:  "Check the port of TARGET: what listens there speaks no TLS, or only after STARTTLS.",
		check.TLSVersion: "Switch on TLS 1.2 and 1.3 at TARGET, and in the service's Java what it lacks of them.",
		check.TLSCipher:  "Switch on ECDHE suites with AES-GCM or ChaCha20 at TARGET, and a certificate that fits them.",
		check.TLSAlert: "Look into the log of TARGET for the alert; check that it knows the server name, and speaks what " +
			"alpn offers.",
		check.TLSClientCertificate: "Give the check a client certificate that TARGET accepts (client_certificate), or do " +
			"not demand one of this host there.",
		check.TLSMalformed: "Find out what answers as TARGET: a broken TLS server, or a middlebox that rewrites.",
		check.TLSHelloDropped: "Find the middlebox before TARGET that drops a ClientHello of more than one packet, and " +
			"update it.",
		check.TLSLegacy: "Switch on TLS 1.2 or 1.3 at TARGET, and switch off what is older.",
	}
}

func certificateRemedies() map[check.Cause]string {
	return map[check.Cause]string{
		check.CertExpired:  "Renew the certificate of TARGET, and reload the service: it may still hold the old one.",
		check.CertExpiring: "Renew the certificate that is about to expire at TARGET, and reload the service.",
		check.CertNotYetValid: "Check the clock of this host first; if it is right, install a certificate at TARGET " +
			"that is already valid.",
		check.CertNameMismatch: "Install a certificate at TARGET that has the name, or set server_name to a name that " +
			"it has.",
		check.CertSelfSigned: "Install a certificate of a trusted authority at TARGET, or add this one to trust.roots.",
		check.CertUnknownAuthority: "Add the authority to trust.roots if it is meant, or install a certificate of a " +
			"trusted one at TARGET.",
		check.CertIncompleteChain: "Let TARGET send the intermediate certificate after its own (the full chain).",
		check.CertChainExpired: "Install the authority's current intermediate at TARGET, or its current root in " +
			"trust.roots.",
		check.CertJavaUntrusted: "Let the service's Java trust what TARGET shows: import the authority into its trust " +
			"store (keytool -importcert), and start the service anew.",
		check.CertJavaOnly: "Add the authority of TARGET to the system and to trust.roots, as the service's Java has it; " +
			"if it was taken out here for a reason, take it out there too.",
		check.CertWeakKey:       "Have the certificate of TARGET issued anew with P-256, or RSA of 2048 bits or more.",
		check.CertWeakSignature: "Have the certificates of TARGET issued anew with SHA-256 or better.",
		check.CertIntercepted: "Exempt TARGET from TLS inspection for this host; if the authority is meant, name it under " +
			"issuers, and trust it here and in the service's Java trust store.",
		check.CertPinMismatch: "Ask the owner of TARGET whether the key is new: if so, pin it; if not, somebody " +
			"else answers.",
		check.CertChanged: "Nothing is to be done if the certificate of TARGET was renewed; if nobody did, ask " +
			"its owner.",
		check.CertRevoked: "Ask the owner of TARGET why the authority revoked the certificate; if it was only replaced, " +
			"have the new one installed, and if its key leaked, do not connect until TARGET is known to be clean.",
		check.CertRevocationUnknown: "Let this host reach the responder or the list that the certificate names, by HTTP, " +
			"or have TARGET staple a current OCSP response; revocation: soft does not insist on an answer.",
		check.CertUsage: "Have the certificate of TARGET issued anew, for server authentication, by an authority.",
	}
}

// tunnelRemedies are those of the layers proxy and http.
func tunnelRemedies() map[check.Cause]string {
	return map[check.Cause]string{
		check.ProxyRefused: "Start the proxy or correct its address, and let this host through to it: TARGET was not " +
			"asked at all.",
		check.ProxyAuth: "Give the check, and the service, a user that the proxy knows (one that it refused is tried " +
			"anew by `sallyport check --retry-refused`), or have it let this host through to TARGET without one; a JVM " +
			"does Basic for HTTPS only where jdk.http.auth.tunneling.disabledSchemes is empty.",
		check.ProxyDenied: "Have the proxy let this host through to TARGET (403), or mend its own way there (502, 503, " +
			"504).",
		check.HTTPStatus: "Look at the service behind TARGET, and at the path and the status that the check wants of it.",
		check.HTTPMalformed: "Find out what answers at TARGET: another protocol than HTTP, or something between that " +
			"rewrites its answers.",
	}
}
