package config

import "strings"

// mostEntries bounds min_entries, and so what a check asks of a directory. Active Directory gives at most 1000 entries
// to one request (MaxPageSize).
const mostEntries = 1000

func ldapsForm() form[LDAPS] {
	keys := []key[LDAPS]{
		nameKey("directory", func(l *LDAPS) *string { return &l.Name }),
		hostKey("url", "The directory: ldaps://host, with a port where it is not 636.", directories(),
			func(l *LDAPS, e endpoint) { l.Host, l.Port = e.host, e.port }).needed().sample("ldaps://dc1.corp.example:636"),
		field("bind_dn", "Who binds; without it, anonymous.", text(), func(l *LDAPS) *string { return &l.BindDN }).
			sample("CN=uds,OU=Service,DC=corp,DC=example"),
		field("password_file", "A file of mode 0600, or a credential of systemd, that holds the password alone.", secrets(),
			func(l *LDAPS) *string { return &l.PasswordFile }).sample(credentials + "/ldap-password"),
		field("base_dn", "Where the search begins; without it, the rootDSE alone is read.", baseDNs(),
			func(l *LDAPS) *string { return &l.BaseDN }).sample("OU=Staff,DC=corp,DC=example"),
		field("filter", "What is searched for below base_dn (RFC 4515).", filters(),
			func(l *LDAPS) *string { return &l.Filter }).byDefault("(objectClass=*)").sample("(objectClass=person)"),
		field("min_entries", "How many entries the search must find at least; 1 where base_dn is given.",
			whole(0, mostEntries), func(l *LDAPS) *int { return &l.MinEntries }).sample("1"),
	}
	keys = append(keys, serverKeys(func(l *LDAPS) *string { return &l.ServerName },
		func(l *LDAPS) *[]string { return &l.Roots })...)
	keys = append(keys, expiryKeys(func(l *LDAPS) *Expiry { return &l.Expiry })...)
	keys = append(keys, scheduleKeys(func(l *LDAPS) *Schedule { return &l.Schedule })...)
	f := object(keys, judgeLDAPS)
	f.schema.DependentRequired = map[string][]string{
		"bind_dn": {"password_file"}, "password_file": {"bind_dn"}, "filter": {"base_dn"}, "min_entries": {"base_dn"},
	}
	return f
}

func judgeLDAPS(r *reader, f *found, l *LDAPS) {
	claimName(r, f, l.Name)
	if l.ServerName == "" {
		l.ServerName = l.Host
	}
	_, bind := f.values["bind_dn"]
	_, password := f.values["password_file"]
	_, base := f.values["base_dn"]
	switch {
	case bind && !password:
		r.wrong(f.at("bind_dn"), "add password_file, or remove bind_dn to bind anonymously",
			"there is a bind_dn, but no password_file: a bind without a password is anonymous (RFC 4513 section 5.1.2)")
	case password && !bind:
		r.wrong(f.at("password_file"), "add bind_dn, or remove password_file to bind anonymously",
			"there is a password_file, but no bind_dn")
	}
	for _, name := range []string{"filter", "min_entries"} {
		if _, given := f.values[name]; given && !base {
			r.wrong(f.at(name), "add base_dn, or remove "+name, "there is a %s, but no base_dn: nothing is searched", name)
		}
	}
	switch _, given := f.values["min_entries"]; {
	case !base:
		l.Filter = ""
	case !given:
		l.MinEntries = 1
	}
	judgeSchedule(r, f, l.Schedule)
	judgeExpiry(r, f, l.Expiry)
}

// baseDNs is the form of a distinguished name. Only what is surely none is refused: the directory judges the rest.
func baseDNs() form[string] {
	return parsed(`=`, func(s string) (string, string, string) {
		first, _, _ := strings.Cut(s, ",")
		if kind, value, ok := strings.Cut(first, "="); !ok || strings.TrimSpace(kind) == "" ||
			strings.TrimSpace(value) == "" {
			return "", quote(s) + " is not a distinguished name", "write it as in OU=Staff,DC=corp,DC=example (RFC 4514)"
		}
		return s, "", ""
	})
}

// filters is the form of a search filter. Only what is surely none is refused: parentheses within a value are written
// as \28 and \29 (RFC 4515 section 3), so that those that stand for themselves must match.
func filters() form[string] {
	return parsed(`^\(.*\)$`, func(s string) (string, string, string) {
		const mend = "write it as in (objectClass=person) or (&(objectClass=person)(mail=*)), " +
			"parentheses in values as \\28 and \\29"
		depth := 0
		for i, c := range s {
			switch c {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth < 0 || depth == 0 && i < len(s)-1 {
				return "", "a parenthesis of this filter has no partner, or it is not in parentheses", mend
			}
		}
		if depth != 0 || strings.Contains(s, "()") || !strings.ContainsAny(s, "=:") {
			return "", quote(s) + " is not a search filter", mend
		}
		return s, "", ""
	})
}
