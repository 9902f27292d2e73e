package config

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

func dnsForm() form[DNS] {
	keys := []key[DNS]{
		nameKey("resolver", func(d *DNS) *string { return &d.Name }),
		field("query", "The name to ask for.", queries(), func(d *DNS) *string { return &d.Query }).
			needed().sample("console.us.code42.com"),
		field("type", "The type of record to ask for.", choice("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"),
			func(d *DNS) *string { return &d.Type }).byDefault("A"),
		field("servers", "The servers to ask: an address, with a port where it is not 53; tcp://address; "+
			"tls://address#name, with the name in the certificate (RFC 7858); https://host/dns-query (RFC 8484). [] for "+
			"those of /etc/resolv.conf.",
			list(servers(), 0), func(d *DNS) *[]DNSServer { return &d.Servers }).byDefault("[]").sample("[10.0.0.53]"),
		field("expect", "The exact data of the answer, in any order; without it, any answer is good.", list(text(), 1),
			func(d *DNS) *[]string { return &d.Expect }).sample("[203.0.113.7]").aside(),
		field("search", "Whether the search list of /etc/resolv.conf is tried, as a stub resolver does.", truth(),
			func(d *DNS) *bool { return &d.Search }).byDefault("false").aside(),
		field("dnssec", "off only shows whether the resolver validated; require fails where it did not; validate follows "+
			"the chain of signatures from here.", choice(DnssecOff, DnssecRequire, DnssecValidate),
			func(d *DNS) *string { return &d.Dnssec }).byDefault(DnssecOff).aside(),
		field("trust_anchor", "With dnssec: validate, a file of the DS or DNSKEY records that the chain begins at; without "+
			"it, the root's.", certificates(), func(d *DNS) *string { return &d.TrustAnchor }).
			sample("/etc/sallyport/corp.example.ds").aside(),
		field("roots", "Which authorities are trusted for servers of tls:// and https://, in place of trust.roots.",
			list(roots(), 1), func(d *DNS) *[]string { return &d.Roots }).sample("[/etc/ssl/corp-ca.pem]").aside(),
	}
	keys = append(keys, scheduleKeys(func(d *DNS) *Schedule { return &d.Schedule })...)
	return object(keys, func(r *reader, f *found, d *DNS) {
		claimName(r, f, d.Name)
		judgeQuery(r, f, d)
		judgeExpect(r, f, d)
		judgeSearch(r, f, d)
		judgeServers(r, f, d)
		judgeDnssec(r, f, d)
		judgeSchedule(r, f, d.Schedule)
	})
}

// queries is the form of a name to ask for; it may end in a point.
func queries() form[string] {
	return parsed(`^([0-9A-Za-z._-]+|[0-9A-Fa-f:.]+)$`, func(s string) (string, string, string) {
		if _, err := netip.ParseAddr(s); err == nil {
			return s, "", "" // judged together with the type
		}
		message, mend := checkName(s)
		return s, message, mend
	})
}

// judgeQuery refuses an address in place of a name.
func judgeQuery(r *reader, f *found, d *DNS) {
	addr, err := netip.ParseAddr(d.Query)
	if err != nil || !f.has("query") {
		return
	}
	mend := "write the name that must resolve"
	if d.Type == "PTR" {
		mend = "write " + reverse(addr)
	}
	r.wrong(f.at("query"), mend, "%s is an address, not a name", quote(d.Query))
}

// reverse is the name under which an address has its PTR record (RFC 1035 section 3.5, RFC 3596 section 2.5).
func reverse(addr netip.Addr) string {
	const hex = "0123456789abcdef"
	name := ""
	for _, b := range addr.AsSlice() {
		if addr.Is4() {
			name = decimal(b) + "." + name
		} else {
			name = string(hex[b&15]) + "." + string(hex[b>>4]) + "." + name
		}
	}
	if addr.Is4() {
		return name + "in-addr.arpa"
	}
	return name + "ip6.arpa"
}

func decimal(b byte) string { return netip.AddrFrom4([4]byte{0, 0, 0, b}).String()[len("0.0.0."):] }

// judgeExpect reads addresses as addresses, so that two ways of writing one are the same answer.
func judgeExpect(r *reader, f *found, d *DNS) {
	if !f.has("expect") || !f.sound("type") || d.Type != "A" && d.Type != "AAAA" {
		return
	}
	nodes, _ := f.values["expect"].(*ast.SequenceNode)
	for i, s := range d.Expect {
		addr, err := netip.ParseAddr(s)
		switch {
		case err != nil || addr.Zone() != "":
			r.wrong(nodes.Values[i], "write the address, as in 203.0.113.7",
				"%s is not an address, and type %s gives addresses",
				quote(s), d.Type)
		case addr.Is4() != (d.Type == "A"):
			r.wrong(nodes.Values[i], "a record of type A is IPv4, one of type AAAA is IPv6: make two checks",
				"%s cannot be the data of a record of type %s", quote(s), d.Type)
		default:
			d.Expect[i] = addr.String()
		}
	}
}

// judgeSearch refuses a name that the search list is never tried for (resolver(5), ndots).
func judgeSearch(r *reader, f *found, d *DNS) {
	if d.Search && f.has("query", "search") && strings.HasSuffix(d.Query, ".") {
		r.wrong(f.at("search"), "remove the point at the end of query, or search",
			"no search list is tried for %s, which ends in a point", quote(d.Query))
	}
}

// judgeServers refuses a server that would be asked twice, and roots that nobody is judged by.
func judgeServers(r *reader, f *found, d *DNS) {
	if !f.sound("servers") {
		return
	}
	nodes, _ := f.values["servers"].(*ast.SequenceNode)
	for i, s := range d.Servers {
		if slices.Contains(d.Servers[:i], s) {
			r.wrong(nodes.Values[i], "name each server once", "the server %s stands here twice", s)
		}
	}
	if f.has("roots") && !slices.ContainsFunc(d.Servers, DNSServer.Certified) {
		r.wrong(f.at("roots"), "write tls:// or https:// before a server, or remove roots",
			"there are roots, but no server shows a certificate")
	}
}

// judgeDnssec refuses an anchor that nothing hangs on.
func judgeDnssec(r *reader, f *found, d *DNS) {
	if f.has("trust_anchor") && f.sound("dnssec") && d.Dnssec != DnssecValidate {
		r.wrong(f.at("trust_anchor"), "write dnssec: validate, or remove trust_anchor",
			"there is a trust_anchor, but dnssec: %s validates nothing here", d.Dnssec)
	}
}
