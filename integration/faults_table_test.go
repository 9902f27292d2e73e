package integration_test

import (
	"slices"
	"strings"

	"sallyport/check"
)

// faultRow is one check of the rig's configuration, and what must come of it.
type faultRow struct {
	name   string
	kind   string // of the configuration's list
	keys   string // of the check, in YAML; ${word} is a port or an address of the rig
	status string
	cause  check.Cause
	known  string // as which of the 23 faults that tell monitors apart it is known; empty: none of them
}

// faultRows has a row for each cause that one run of the binary can bring about.
func faultRows() []faultRow {
	return slices.Concat(nameRows(), knownRows(), handshakeRows(), certificateRows(), reachRows(), directoryRows())
}

// laterRows are checks of faultRows that say another thing when they are run once more, after the first and
// without a name server in resolv.conf.
func laterRows() []faultRow {
	return []faultRow{
		{name: "ldap-wrong-password", status: "fail", cause: check.LDAPNotRetried},
		{name: "dns-own", status: "fail", cause: check.DNSNoResolver},
	}
}

// soon is for checks that meet silence: they wait no longer than they must.
const soon = "timeout: 1500ms"

func nameRows() []faultRow {
	ask := func(name, query, status string, cause check.Cause, known string, keys ...string) faultRow {
		all := append([]string{"query: " + query, `servers: ["${resolver}:5301"]`}, keys...)
		return faultRow{"dns-" + name, "dns", strings.Join(all, ", "), status, cause, known}
	}
	return []faultRow{
		ask("ok", "www.zone.test", "ok", "", "DNS ok"),
		ask("nxdomain", "www.gone.test", "fail", check.DNSNXDomain, "DNS nxdomain"),
		ask("nodata", "www.empty.test", "fail", check.DNSNoData, "DNS nodata"),
		ask("refused", "www.refused.test", "fail", check.DNSRefused, "DNS refused"),
		ask("dropped", "www.dropped.test", "fail", check.DNSTimeout, "DNS dropped", soon),
		ask("broken", "www.broken.test", "fail", check.DNSServFail, ""),
		ask("bogus", "www.forged.test", "fail", check.DNSBogus, ""),
		ask("dangling", "dangling.zone.test", "fail", check.DNSDangling, ""),
		ask("other", "www.zone.test", "fail", check.DNSMismatch, "", "expect: [192.0.2.9]"),
		{"dns-closed", "dns", `query: www.zone.test, servers: ["${resolver}:5399"]`, "fail", check.DNSUnreachable, ""},
		{"dns-garbled", "dns", `query: www.zone.test, servers: ["${resolver}:5302"], ` + soon, "fail",
			check.DNSMalformed, ""},
		{"dns-own", "dns", "query: console.us.code42.com, expect: [${cloud}]", "ok", "", ""},
	}
}

// at is a check of a server of the cloud's, which fails unless there is no cause.
func at(server string, cause check.Cause, keys ...string) faultRow {
	return to(server, "${cloud}:${"+server+"}", cause, append([]string{"server_name: console.us.code42.com"}, keys...)...)
}

func to(name, address string, cause check.Cause, keys ...string) faultRow {
	status := "fail"
	if cause == "" {
		status = "ok"
	}
	all := append([]string{`address: "` + address + `"`}, keys...)
	return faultRow{"tls-" + name, "tls", strings.Join(all, ", "), status, cause, ""}
}

// called is a row under another name.
func (r faultRow) called(name string) faultRow { r.name = "tls-" + name; return r }

// as is a row of one of the 23.
func (r faultRow) as(known string) faultRow { r.known = known; return r }

// knownRows are those of the 23 faults which are not of names.
func knownRows() []faultRow {
	return []faultRow{
		at("well", "", "http: {method: GET}").as("all well"),
		at("expired", check.CertExpired).as("expired"),
		at("early", check.CertNotYetValid).as("not yet valid"),
		at("wrongname", check.CertNameMismatch).as("wrong name"),
		at("stranger-authority", check.CertUnknownAuthority).as("unknown authority"),
		at("selfsigned", check.CertSelfSigned).as("self-signed"),
		at("leafalone", check.CertIncompleteChain).as("missing intermediate"),
		at("tls11", check.TLSLegacy).as("TLS 1.1 only"),
		at("client", check.TLSClientCertificate).as("client certificate required"),
		at("internal", check.TLSAlert).as("internal alert"),
		at("reset", check.ConnectReset).as("reset on accept"),
		at("silence", check.TLSTimeout, soon).as("silence"),
		at("plain", check.TLSNotTLS).as("plaintext"),
		at("eof", check.TLSClosed).as("EOF after ClientHello"),
		at("rsa1024", check.CertWeakKey).as("1024-bit RSA"),
		at("staleissuer", check.CertChainExpired).as("expired intermediate"),
		at("threedays", check.CertExpiring).as("three days left"),
		at("closed", check.ConnectRefused).as("refused"),
	}
}

func handshakeRows() []faultRow {
	return []faultRow{
		at("unrecognized", check.TLSAlert),
		at("tls13", check.TLSVersion, "like: jvm"), // whose Java does without TLS 1.3
		at("cipher", check.TLSCipher),
		at("middlereset", check.TLSReset),
		at("middlegarbled", check.TLSMalformed),
		at("middlelarge", check.TLSHelloDropped, "timeout: 3s"),
		to("ldap", "${directory}:6389", check.TLSClosed), // a directory that speaks TLS after StartTLS alone
		at("forbidden", check.HTTPStatus, "http: {}"),
		at("babble", check.HTTPMalformed, "http: {method: GET}"),
	}
}

func certificateRows() []faultRow {
	return []faultRow{
		at("sha1", check.CertWeakSignature),
		at("forclients", check.CertUsage),
		at("inspected", check.CertIntercepted),
		at("well", check.CertPinMismatch, `pins: ["sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]`).called("pin"),
		at("well", check.CertRevocationUnknown, "revocation: hard").called("not-told"), // it names no responder and no list
		at("well", check.CertJavaUntrusted, "like: jvm").called("java-untrusted"),
		at("stranger-authority", check.CertJavaOnly, "like: jvm").called("java-only"),
		at("skewed", check.ClockSkew),
	}
}

// reachRows are of connections that are not made, and of those that a proxy makes or does not.
func reachRows() []faultRow {
	proxy := func(user string) string { return `proxy: {address: "${cloud}:${proxy}"` + user + "}" }
	const monitor = ", user: monitor, password_file: ${proxypassword}"
	return []faultRow{
		at("dropped", check.ConnectTimeout, soon),
		to("prohibited", "192.0.2.1:443", check.ConnectBlockedHere),
		to("nowhere", "192.0.2.2:443", check.ConnectUnreachable),
		to("no-source", "${cloud}:443", check.ConnectSource, "source: 203.0.113.5"),
		to("no-address", "four.example:443", check.ConnectNoAddress, `source: "fd77::10"`),
		at("well", "", proxy(monitor)).called("proxied"),
		at("well", check.ProxyRefused, `proxy: {address: "${cloud}:${closed}"}`).called("proxy-closed"),
		at("well", check.ProxyAuth, proxy("")).called("proxy-unknown"),
		at("expired", check.ProxyDenied, proxy(monitor)).called("proxy-denied"),
	}
}

func directoryRows() []faultRow {
	const server = `url: "ldaps://${directory}:6636", server_name: dc1.corp.example`
	asking := func(name, user, base string, cause check.Cause, keys ...string) faultRow {
		all := append([]string{server, `base_dn: "` + base + `"`, "filter: (objectClass=person)"}, keys...)
		joined := strings.Join(keys, " ")
		if !strings.Contains(joined, "min_entries") {
			all = append(all, "min_entries: 5")
		}
		if user != "" {
			all = append(all, `bind_dn: "`+user+`"`)
		}
		if user != "" && !strings.Contains(joined, "password_file") {
			all = append(all, "password_file: ${password}")
		}
		status := "fail"
		if cause == "" {
			status = "ok"
		}
		return faultRow{"ldap-" + name, "ldaps", strings.Join(all, ", "), status, cause, ""}
	}
	const reader, people = "cn=reader,dc=test", "ou=people,dc=test"
	bind := func(item string, cause check.Cause, keys ...string) faultRow {
		return asking(item, "cn="+item+",ou=faults,dc=codes", people, cause, keys...)
	}
	search := func(item string, cause check.Cause, keys ...string) faultRow {
		return asking(item, reader, "cn="+item+",ou=faults,dc=codes", cause, keys...)
	}
	return []faultRow{
		asking("well", reader, people, ""),
		asking("wrong-password", "cn=wrong,dc=test", people, check.LDAPInvalidCredentials, "password_file: ${wrong}"),
		bind("ad525", check.LDAPNoSuchUser), bind("ad52e", check.LDAPBadPassword), bind("ad530", check.LDAPLogonHours),
		bind("ad531", check.LDAPWorkstation), bind("ad532", check.LDAPPasswordExpired),
		bind("ad533", check.LDAPAccountDisabled), bind("ad701", check.LDAPAccountExpired),
		bind("ad773", check.LDAPPasswordMustChange), bind("ad775", check.LDAPAccountLocked),
		bind("strongbind", check.LDAPStrongAuthRequired), bind("busybind", check.LDAPBusy),
		bind("byebind", check.LDAPClosed),
		asking("strong", "cn=admin,dc=strong", "dc=strong", check.LDAPConfidentialityRequired),
		asking("anonymous", "", people, check.LDAPAnonymousRefused),
		asking("no-base", reader, "ou=nowhere,dc=test", check.LDAPBaseNotFound),
		asking("closed", reader, "ou=closed,dc=test", check.LDAPInsufficientAccess),
		asking("few", reader, people, check.LDAPTooFewEntries, "min_entries: 21"),
		asking("short", "cn=short,dc=test", people, check.LDAPSizeLimit),
		asking("nopages", "cn=nopages,dc=test", people, check.LDAPNoPaging),
		search("unavailable", check.LDAPUnavailable), search("unwilling", check.LDAPUnwilling),
		search("referral", check.LDAPReferral), search("timelimit", check.LDAPTimeLimit),
		search("adminlimit", check.LDAPAdminLimit), search("slow", check.LDAPTimeout, soon),
		{"ldap-web", "ldaps", `url: "ldaps://${cloud}:${well}", server_name: console.us.code42.com`, "fail",
			check.LDAPMalformed, ""},
		{"ldap-nobody", "ldaps", "discover: nobody.example", "fail", check.LDAPNoServer, ""},
	}
}
