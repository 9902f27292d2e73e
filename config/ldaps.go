package config

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

const (
	// mostEntries bounds min_entries and max_entries, and so what a check asks of a directory.
	mostEntries = 1_000_000
	// mostOnPage bounds page_size: Active Directory gives at most 1000 entries to one page (MaxPageSize).
	mostOnPage = 1000
)

// saslExternal is the one word of sasl: the certificate of the connection says who binds (RFC 4422 appendix A).
const saslExternal = "external"

func ldapsForm() form[LDAPS] {
	keys := slices.Concat(
		[]key[LDAPS]{nameKey("directory", func(l *LDAPS) *string { return &l.Name })},
		directoryKeys(),
		bindKeys(),
		searchKeys(),
		serverKeys(func(l *LDAPS) *Server { return &l.Server }),
		scheduleKeys(func(l *LDAPS) *Schedule { return &l.Schedule }),
	)
	f := object(keys, judgeLDAPS)
	f.schema.DependentRequired = map[string][]string{
		"bind_dn": {"password_file"}, "password_file": {"bind_dn"}, "sasl": {"client_certificate"},
	}
	for _, name := range searched() {
		f.schema.DependentRequired[name] = []string{"base_dn"}
	}
	f.schema.OneOf = []*schema{{Required: []string{"url"}}, {Required: []string{"discover"}}}
	return f
}

// directoryKeys are the keys of where a directory is.
func directoryKeys() []key[LDAPS] {
	return []key[LDAPS]{
		hostKey("url", "The directory: ldaps://host, with a port where it is not 636; with starttls, ldap://host, where it "+
			"is not 389.", directories(), func(l *LDAPS, e endpoint) { l.Host, l.Port = e.host, e.port }).
			sample("ldaps://dc1.corp.example:636"),
		field("discover", "In place of url, the domain whose directory servers DNS names (SRV records); each is checked.",
			domains(), func(l *LDAPS) *string { return &l.Discover }).sample("corp.example").aside(),
		field("starttls", "Whether TLS begins within plain LDAP (RFC 4511 section 4.14), before anything else is sent.",
			truth(), func(l *LDAPS) *bool { return &l.StartTLS }).byDefault("false").aside(),
	}
}

// bindKeys are the keys of who binds.
func bindKeys() []key[LDAPS] {
	return []key[LDAPS]{
		field("bind_dn", "Who binds; without it, anonymous.", text(), func(l *LDAPS) *string { return &l.BindDN }).
			sample("CN=uds,OU=Service,DC=corp,DC=example"),
		field("password_file", "A file of mode 0600, or a credential of systemd, that holds the password alone.",
			passwords(), func(l *LDAPS) *string { return &l.PasswordFile }).sample(credentials + "/ldap-password"),
		field("sasl", "external: the client_certificate says who binds (RFC 4422 appendix A), in place of bind_dn.",
			mechanisms(), func(l *LDAPS) *bool { return &l.SASLExternal }).sample(saslExternal).aside(),
	}
}

// mechanisms is the form of sasl: true for its one word.
func mechanisms() form[bool] {
	word := choice(saslExternal)
	return form[bool]{schema: word.schema, read: func(r *reader, n ast.Node) (bool, bool) {
		_, ok := word.read(r, n)
		return ok, ok
	}}
}

// searchKeys are the keys of what is searched for.
func searchKeys() []key[LDAPS] {
	return []key[LDAPS]{
		field("base_dn", "Where the search begins; without it, the rootDSE alone is read.", baseDNs(),
			func(l *LDAPS) *string { return &l.BaseDN }).sample("OU=Staff,DC=corp,DC=example"),
		field("filter", "What is searched for below base_dn (RFC 4515).", filters(),
			func(l *LDAPS) *string { return &l.Filter }).byDefault("(objectClass=*)").sample("(objectClass=person)"),
		field("min_entries", "How many entries the search must find at least; 1 where base_dn is given.",
			whole(0, mostEntries), func(l *LDAPS) *int { return &l.MinEntries }).sample("1"),
		field("max_entries", "How many entries the search may find at most; 0 for any number.",
			whole(0, mostEntries), func(l *LDAPS) *int { return &l.MaxEntries }).byDefault("0").aside(),
		field("page_size", "How many entries come with one page of the search (RFC 2696); 0 for no pages.",
			whole(0, mostOnPage), func(l *LDAPS) *int { return &l.PageSize }).byDefault("500").aside(),
		field("follow_referrals", "Whether a referral to another server of ldaps:// is followed; the password goes to no "+
			"server outside the domain.", truth(),
			func(l *LDAPS) *bool { return &l.FollowReferrals }).byDefault("false").aside(),
	}
}

// searched are the keys that mean nothing without base_dn.
func searched() []string {
	return []string{"filter", "min_entries", "max_entries", "page_size", "follow_referrals"}
}

func judgeLDAPS(r *reader, f *found, l *LDAPS) {
	claimName(r, f, l.Name)
	judgeDirectory(r, f, l)
	judgeBind(r, f, l)
	judgeSearched(r, f, l)
	judgeSchedule(r, f, l.Schedule)
	peer := l.Host
	if !f.sound("url") {
		peer = ""
	}
	judgeServer(r, f, &l.Server, peer, "url")
}

// judgeDirectory refuses a directory that is nowhere or in two places, and one that would be spoken to in clear.
func judgeDirectory(r *reader, f *found, l *LDAPS) {
	url, given := f.values["url"]
	_, discover := f.values["discover"]
	switch {
	case given && discover:
		r.wrong(f.at("discover"), "keep one of the two", "there is a url, and discover too")
	case !given && !discover && f.sound("url", "discover"):
		r.wrong(f.self, "add it, as in url: ldaps://dc1.corp.example:636, or discover: with the domain",
			"the key url is missing here")
	}
	if !f.has("url") || !f.sound("starttls") {
		return
	}
	text, _ := written(url)
	switch plain := strings.HasPrefix(text, schemeLDAP+"://"); {
	case plain && !l.StartTLS:
		r.wrong(url, "write "+schemeLDAPS+"://"+hostOnly(strings.TrimPrefix(text, schemeLDAP+"://"))+
			", or add starttls: true", "ldap:// without starttls sends the password in clear")
	case !plain && l.StartTLS:
		r.wrong(f.at("starttls"), "write ldap:// in url, or remove starttls",
			"ldaps:// begins with TLS, so that there is nothing to start")
	}
}

// judgeBind refuses half of what a bind takes, and two ways to bind.
func judgeBind(r *reader, f *found, l *LDAPS) {
	_, bind := f.values["bind_dn"]
	_, password := f.values["password_file"]
	_, certificate := f.values["client_certificate"]
	switch {
	case l.SASLExternal && (bind || password):
		r.wrong(f.at("sasl"), "keep one of the two: remove sasl, or bind_dn and password_file",
			"sasl: external binds by the certificate, and a bind_dn or a password_file stands here too")
	case !f.sound("bind_dn", "password_file"):
	case bind && !password:
		r.wrong(f.at("bind_dn"), "add password_file, or remove bind_dn to bind anonymously",
			"there is a bind_dn, but no password_file: a bind without a password is anonymous (RFC 4513 section 5.1.2)")
	case password && !bind:
		r.wrong(f.at("password_file"), "add bind_dn, or remove password_file to bind anonymously",
			"there is a password_file, but no bind_dn")
	}
	if l.SASLExternal && !certificate && f.sound("client_certificate") {
		r.wrong(f.at("sasl"), "add client_certificate, or remove sasl to bind otherwise",
			"sasl: external binds by the certificate that this host shows, and there is no client_certificate")
	}
}

// judgeSearched refuses what is said of a search that is not made, or that can never be met.
func judgeSearched(r *reader, f *found, l *LDAPS) {
	_, base := f.values["base_dn"]
	for _, name := range searched() {
		if _, given := f.values[name]; given && !base {
			r.wrong(f.at(name), "add base_dn, or remove "+name, "there is a %s, but no base_dn: nothing is searched", name)
		}
	}
	switch _, given := f.values["min_entries"]; {
	case !base:
		l.Filter, l.PageSize = "", 0
	case !given:
		l.MinEntries = 1
	}
	l.Paged = base && f.has("page_size") && l.PageSize > 0
	if f.has("max_entries") && f.sound("min_entries") && l.MaxEntries > 0 && l.MaxEntries < l.MinEntries {
		r.wrong(f.at("max_entries"), "write a larger max_entries, or a smaller min_entries",
			"max_entries (%d) is less than min_entries (%d)", l.MaxEntries, l.MinEntries)
	}
}

// domains is the form of the name of a domain.
func domains() form[string] {
	return parsed(`^[0-9A-Za-z._-]+$`, func(s string) (string, string, string) {
		if _, err := netip.ParseAddr(s); err == nil {
			return "", quote(s) + " is an address, not a domain",
				"write the domain, as in corp.example, or url: ldaps://" + s
		}
		message, mend := checkHost(s)
		return s, message, mend
	})
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
