package netcheck

import (
	"strings"

	"sallyport/check"
)

// remedy is what to do about a cause at this directory, in one sentence; empty for no cause.
func (r *ldapsRun) remedy(cause check.Cause) string {
	if cause.Layer() != check.LayerLDAP {
		return remedyFor(cause, r.String())
	}
	if r.SASLExternal && (cause == check.LDAPStrongAuthRequired || cause == check.LDAPInvalidCredentials) {
		return "Have " + r.String() + " ask for client certificates, trust the authority of this host's, and know its " +
			"name as a user (OpenLDAP: TLSVerifyClient, authz-regexp)."
	}
	for _, remedies := range []map[check.Cause]string{accountRemedies(), accessRemedies(), directoryRemedies()} {
		if sentence, ok := remedies[cause]; ok {
			return r.fill(sentence)
		}
	}
	return remedyFor(cause, r.String())
}

// fill puts the names of this check in place of the words in capitals.
func (r *ldapsRun) fill(sentence string) string {
	return strings.NewReplacer("TARGET", r.String(), "USER", cleanText(r.who(), maxLDAPText),
		"FILE", cleanText(r.PasswordFile, maxLDAPText), "BASE", cleanText(r.BaseDN, maxLDAPText)).Replace(sentence)
}

func (r *ldapsRun) who() string {
	switch {
	case r.SASLExternal:
		return "the user of the client certificate"
	case r.BindDN == "":
		return "the anonymous user"
	default:
		return r.BindDN
	}
}

func accountRemedies() map[check.Cause]string {
	return map[check.Cause]string{
		check.LDAPInvalidCredentials: "Put the right password of USER into FILE, or correct bind_dn: the same " +
			"password is not tried again.",
		check.LDAPNoSuchUser: "Correct bind_dn: TARGET has no user USER; the same name and password are not tried " +
			"again.",
		check.LDAPBadPassword: "Put the right password of USER into FILE: the same one is not tried again.",
		check.LDAPLogonHours:  "Widen the logon hours of USER in the directory: the sync runs at any time.",
		check.LDAPWorkstation: "Allow USER to log on from any machine, or add the domain controllers to its list " +
			"of workstations.",
		check.LDAPPasswordExpired: "Set a new password for USER, put it into FILE, and let passwords of service " +
			"accounts not expire.",
		check.LDAPAccountDisabled: "Enable the account USER in the directory.",
		check.LDAPAccountExpired:  "Clear or extend the expiry date of the account USER in the directory.",
		check.LDAPPasswordMustChange: "Take the mark from USER that its password must be changed at the next " +
			"logon.",
		check.LDAPAccountLocked: "Unlock USER in the directory, and find out who tries a wrong password for it: " +
			"this check tries none twice.",
		check.LDAPNotRetried: "Put the right password of USER into FILE: the same one is not tried again.",
		check.LDAPStrongAuthRequired: "Allow a simple bind over TLS for USER at TARGET (Active Directory: LDAP " +
			"channel binding must not be required).",
	}
}

func accessRemedies() map[check.Cause]string {
	return map[check.Cause]string{
		check.LDAPConfidentialityRequired: "Lower the security strength that TARGET asks for (OpenLDAP: security " +
			"ssf) to what its TLS gives, or strengthen its TLS.",
		check.LDAPAnonymousRefused: "Give the check a bind_dn and a password_file: TARGET answers no anonymous " +
			"users.",
		check.LDAPBaseNotFound: "Correct base_dn: TARGET has no BASE, or does not show it to USER (the naming " +
			"contexts are in the evidence).",
		check.LDAPInsufficientAccess: "Grant USER the right to read and search below BASE at TARGET.",
		check.LDAPTooFewEntries: "Find out where the entries below BASE have gone, or what hides them from USER; " +
			"lower min_entries if there are meant to be fewer.",
		check.LDAPSizeLimit: "Raise the size limit of TARGET for USER, or set min_entries below it; where there are " +
			"more entries than max_entries, narrow the filter or raise it.",
		check.LDAPTimeLimit: "Index the attributes of the filter at TARGET, or raise its time limit for USER.",
		check.LDAPAdminLimit: "Index the attributes of the filter at TARGET, or raise the administrative limit for " +
			"USER (Active Directory: the LDAP policies of ntdsutil).",
	}
}

func directoryRemedies() map[check.Cause]string {
	return map[check.Cause]string{
		check.LDAPReferral: "Point the check, and the sync, to the server that holds BASE: TARGET refers to " +
			"another one.",
		check.LDAPNoServer: "Have the domain TARGET publish its directory servers (SRV records at _ldaps._tcp or " +
			"_ldap._tcp.dc._msdcs), or name one by url.",
		check.LDAPNoPaging: "Allow paged results at TARGET to USER (OpenLDAP: limits size.prtotal), or ask for fewer " +
			"entries than its size limit.",
		check.LDAPBusy: "Find out what keeps TARGET busy, or check it less often.",
		check.LDAPUnavailable: "Start the database behind TARGET, or wait until it has come up: it says that it is " +
			"unavailable.",
		check.LDAPUnwilling: "Read in the log of TARGET why it is unwilling: its message is in the detail.",
		check.LDAPTimeout: "Look at the load and the locks of TARGET, which accepts the connection but does not " +
			"answer a request.",
		check.LDAPClosed: "Read in the log of TARGET why it closes the connection: a limit, a crash, or a load " +
			"balancer.",
		check.LDAPMalformed: "Check the port of TARGET: what answers behind its TLS does not speak LDAP as it " +
			"should.",
	}
}
