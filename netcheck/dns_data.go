package netcheck

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

const (
	// maxDNSText is how many characters of a server's text are shown: a domain name's longest (RFC 1035 section 2.3.4).
	maxDNSText = 255
	// maxDNSData is how many characters of a record's data are compared: more than a message holds, all escaped.
	maxDNSData = 4 << 16
)

// recordData is the data of a record as an operator would write it: addresses and names in their shortest form, the
// strings of a TXT joined, anything else as in a zone file. It is escaped.
func recordData(rr dns.RR) string {
	if txt, ok := rr.(*dns.TXT); ok {
		// The strings stand together (RFC 7208 section 3.3). The library escapes quotes as in a zone file; who writes
		// an expectation does not.
		unescaped := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.Join(txt.Txt, ""))
		return normalDNSDatum(dns.TypeTXT, unescaped)
	}
	data := strings.TrimPrefix(rr.String(), rr.Header().String())
	return normalDNSDatum(rr.Header().Rrtype, data)
}

// normalDNSData is the data in the form in which answers are compared: normalised, sorted, without duplicates.
func normalDNSData(qtype uint16, data []string) []string {
	normal := make([]string, 0, len(data))
	for _, d := range data {
		normal = append(normal, normalDNSDatum(qtype, d))
	}
	slices.Sort(normal)
	return slices.Compact(normal)
}

func normalDNSDatum(qtype uint16, data string) string {
	switch qtype {
	case dns.TypeTXT:
		return cleanText(data, maxDNSData)
	case dns.TypeA, dns.TypeAAAA:
		if addr, err := netip.ParseAddr(strings.TrimSpace(data)); err == nil {
			return addr.String()
		}
	}
	fields := strings.Fields(strings.ToLower(data))
	for i, f := range fields {
		if f != "." {
			fields[i] = strings.TrimSuffix(f, ".")
		}
	}
	return cleanText(strings.Join(fields, " "), maxDNSData)
}

// shown is at most limit of the data, each cut to what a reader can use.
func shown(data []string, limit int) []string {
	var short []string
	for _, d := range data[:min(len(data), limit)] {
		short = append(short, cleanText(d, maxDNSText))
	}
	return short
}

// cleanText is s without anything that could act on a terminal or a log: what is not printable ASCII is escaped
// (strconv.QuoteToASCII), and it is cut to limit characters.
func cleanText(s string, limit int) string {
	cut := false
	if len(s) > limit {
		s, cut = s[:limit], true
	}
	quoted := strconv.QuoteToASCII(s)
	quoted = strings.ReplaceAll(quoted[1:len(quoted)-1], `\\`, `\`)
	quoted = strings.ReplaceAll(quoted, `\"`, `"`)
	if len(quoted) > limit {
		quoted, cut = quoted[:limit], true
	}
	if cut {
		quoted += "..."
	}
	return quoted
}
