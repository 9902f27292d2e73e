package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/check"
)

// RootDSE is what a directory says of itself (RFC 4512 section 5.1; [MS-ADTS] section 3.1.1.3.2). Text in it is escaped
// and bounded.
type RootDSE struct {
	Vendor         string     `json:"vendor,omitempty"`
	VendorVersion  string     `json:"vendor_version,omitempty"`
	Versions       []string   `json:"ldap_versions,omitempty"`
	NamingContexts []string   `json:"naming_contexts,omitempty"`
	Mechanisms     []string   `json:"sasl_mechanisms,omitempty"`
	Host           string     `json:"host,omitempty"`    // dnsHostName
	Service        string     `json:"service,omitempty"` // dsServiceName
	Paging         bool       `json:"paging"`            // paged results (RFC 2696) are supported
	StartTLS       bool       `json:"starttls"`          // is supported
	WhoAmI         bool       `json:"whoami"`            // (RFC 4532) is supported
	Active         bool       `json:"active_directory"`  // it is Active Directory, or says so
	Read           time.Time  `json:"read"`              // when; it is asked for again after some minutes
	CurrentTime    *time.Time `json:"current_time,omitempty"`
	ClockAheadMS   *int64     `json:"clock_ahead_ms,omitempty"` // by how much the server's clock is ahead of ours
}

// Bounds on what of a rootDSE is kept.
const (
	maxRootDSEValues = 8
	maxScanned       = 512 // values of one attribute that are looked at
)

const oidActiveDirectory = "1.2.840.113556.1.4.800" // LDAP_CAP_ACTIVE_DIRECTORY_OID

func rootDSEAttributes() []string {
	return []string{"supportedLDAPVersion", "namingContexts", "vendorName", "vendorVersion", "supportedControl",
		"supportedExtension", "supportedCapabilities", "supportedSASLMechanisms", "currentTime", "dnsHostName",
		"dsServiceName"}
}

// RootDSE reads what the directory says of itself. One that answers, but does not show it, is an Error with the code 0.
func (s *Session) RootDSE(ctx context.Context) (*RootDSE, error) {
	id, err := s.send(ctx, searchRequest("", scopeBase, 2, wholeSeconds(ctx), present(), rootDSEAttributes()...))
	if err != nil {
		return nil, s.failed(ctx, OpRootDSE, err)
	}
	values, told, err := s.readEntry(id)
	if err != nil {
		return nil, s.failed(ctx, OpRootDSE, err)
	}
	if told.code != 0 {
		return nil, refused(OpRootDSE, told, s.anonymous)
	}
	if values == nil {
		return nil, &Error{Cause: check.LDAPInsufficientAccess, Operation: OpRootDSE,
			Detail: "the directory does not show its rootDSE"}
	}
	return newRootDSE(func(name string) []string { return values[strings.ToLower(name)] }, time.Now()), nil
}

// readEntry reads the one entry of a search, until its end: its attributes by their names in small letters; nil where
// no entry, or more than one, came.
func (s *Session) readEntry(id int) (map[string][]string, result, error) {
	var values map[string][]string
	entries := 0
	for {
		r, err := s.await(id)
		if err != nil {
			return nil, result{}, err
		}
		switch r.op {
		case opSearchEntry:
			entries++
			if values, err = parseAttributes(r.body); err != nil {
				return nil, result{}, &notLDAP{err}
			}
		case opSearchReference:
		case opSearchDone:
			told, err := r.parseResult()
			if err != nil {
				return nil, told, &notLDAP{err}
			}
			if entries != 1 {
				values = nil
			}
			return values, told, nil
		default:
			return nil, result{}, &notLDAP{fmt.Errorf("%#02x is no part of a search", r.op)}
		}
	}
}

// parseAttributes reads the attributes of an entry (RFC 4511 section 4.5.2), those that are asked for of the rootDSE.
func parseAttributes(body elements) (map[string][]string, error) {
	if _, err := body.take(tagOctets); err != nil {
		return nil, fmt.Errorf("the name of an entry: %w", err)
	}
	list, err := body.take(tagSequence)
	if err != nil {
		return nil, fmt.Errorf("the attributes of an entry: %w", err)
	}
	values := map[string][]string{}
	for len(list) > 0 {
		attribute, err := list.take(tagSequence)
		if err != nil {
			return nil, fmt.Errorf("an attribute: %w", err)
		}
		kind, err := attribute.take(tagOctets)
		if err != nil {
			return nil, fmt.Errorf("the name of an attribute: %w", err)
		}
		set, err := attribute.take(tagSet)
		if err != nil {
			return nil, fmt.Errorf("the values of an attribute: %w", err)
		}
		name := strings.ToLower(string(kind[:min(len(kind), maxShown)]))
		if !slices.ContainsFunc(rootDSEAttributes(), func(a string) bool { return strings.ToLower(a) == name }) {
			continue
		}
		if values[name], err = parseValues(set); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func parseValues(set elements) ([]string, error) {
	var values []string
	for len(values) < maxScanned && len(set) > 0 {
		value, err := set.take(tagOctets)
		if err != nil {
			return nil, fmt.Errorf("a value of an attribute: %w", err)
		}
		values = append(values, string(value[:min(len(value), maxKept)]))
	}
	return values, nil
}

// newRootDSE reads the attributes that values gives, at the time now.
func newRootDSE(values func(attribute string) []string, now time.Time) *RootDSE {
	one := func(attribute string) string {
		if v := values(attribute); len(v) > 0 {
			return clean(v[0])
		}
		return ""
	}
	many := func(attribute string) []string {
		var kept []string
		v := values(attribute)
		for _, text := range v[:min(len(v), maxRootDSEValues)] {
			kept = append(kept, clean(text))
		}
		return kept
	}
	r := &RootDSE{
		Vendor: one("vendorName"), VendorVersion: one("vendorVersion"), Versions: many("supportedLDAPVersion"),
		NamingContexts: many("namingContexts"), Mechanisms: many("supportedSASLMechanisms"),
		Host: one("dnsHostName"), Service: one("dsServiceName"),
		Paging:   slices.Contains(values("supportedControl"), oidPaging),
		StartTLS: slices.Contains(values("supportedExtension"), oidStartTLS),
		WhoAmI:   slices.Contains(values("supportedExtension"), oidWhoAmI),
		Active:   slices.Contains(values("supportedCapabilities"), oidActiveDirectory),
		Read:     now.UTC(),
	}
	if t, ok := generalizedTime(one("currentTime")); ok {
		r.CurrentTime, r.ClockAheadMS = &t, new(t.Sub(now).Milliseconds())
	}
	return r
}

// generalizedTime reads the forms of RFC 4517 section 3.3.13 that directories use for the current time.
func generalizedTime(s string) (time.Time, bool) {
	for _, layout := range []string{"20060102150405Z0700", "20060102150405.999999999Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
