package resolver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"sallyport/netcheck/plain"
)

const (
	// MaxText is how many characters of a server's text are shown: a domain name's longest (RFC 1035 section 2.3.4).
	MaxText = 255
	// maxData is how many characters of a record's data are compared: more than a message holds, all escaped.
	maxData = 4 << 16
	// maxAnswersShown is how many records a sentence names.
	maxAnswersShown = 4
)

// recordData is the data of a record as an operator would write it: addresses and names in their shortest form, the
// strings of a TXT joined, anything else as in a zone file. It is escaped.
func recordData(rr dns.RR) string {
	if txt, ok := rr.(*dns.TXT); ok {
		// The strings stand together (RFC 7208 section 3.3). The library escapes quotes as in a zone file; who writes
		// an expectation does not.
		unescaped := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.Join(txt.Txt, ""))
		return normalDatum(dns.TypeTXT, unescaped)
	}
	data := strings.TrimPrefix(rr.String(), rr.Header().String())
	return normalDatum(rr.Header().Rrtype, data)
}

// normalData is the data in the form in which answers are compared: normalised, sorted, without duplicates.
func normalData(qtype uint16, data []string) []string {
	normal := make([]string, 0, len(data))
	for _, d := range data {
		normal = append(normal, normalDatum(qtype, d))
	}
	slices.Sort(normal)
	return slices.Compact(normal)
}

func normalDatum(qtype uint16, data string) string {
	switch qtype {
	case dns.TypeTXT:
		return plain.Text(data, maxData)
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
	return plain.Text(strings.Join(fields, " "), maxData)
}

// Shown is at most limit of the data, each cut to what a reader can use.
func Shown(data []string, limit int) []string {
	var short []string
	for _, d := range data[:min(len(data), limit)] {
		short = append(short, plain.Text(d, MaxText))
	}
	return short
}

// summary names data for a person: the first few, and how many more there are.
func summary(data []string) string {
	joined := strings.Join(Shown(data, maxAnswersShown), ", ")
	if more := len(data) - maxAnswersShown; more > 0 {
		joined += fmt.Sprintf(" and %d more", more)
	}
	return joined
}

// shownName is a name as a person reads it: escaped, without its final dot.
func shownName(name string) string {
	if name == "." {
		return name
	}
	return plain.Text(strings.TrimSuffix(name, "."), MaxText)
}
