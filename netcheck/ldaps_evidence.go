package netcheck

import (
	"errors"
	"slices"
	"time"
)

// LDAPSEvidence is what each address of a directory showed. Text from servers in it is escaped and bounded.
type LDAPSEvidence struct {
	BindDN     string               `json:"bind_dn,omitempty"` // empty: anonymous
	BaseDN     string               `json:"base_dn,omitempty"` // empty: the rootDSE alone is read
	Filter     string               `json:"filter,omitempty"`
	MinEntries int                  `json:"min_entries"`
	TLS        *TLSEvidence         `json:"tls,omitempty"`
	Servers    []LDAPServerEvidence `json:"servers,omitempty"`
}

// TLSVersion is that of the TLS handshakes.
func (e LDAPSEvidence) TLSVersion() string { return e.TLS.TLSVersion() }

// EarliestExpiry is that of the TLS handshakes.
func (e LDAPSEvidence) EarliestExpiry() time.Time { return e.TLS.EarliestExpiry() }

// LDAPServerEvidence is what one address showed above TLS. A code is nil when no result came.
type LDAPServerEvidence struct {
	Address      string   `json:"address"`
	BindResult   *int     `json:"bind_result,omitempty"` // LDAP result code
	BindData     string   `json:"bind_data,omitempty"`   // Active Directory's reason, such as 52e
	SearchResult *int     `json:"search_result,omitempty"`
	Entries      int      `json:"entries"`              // counted up to one more than min_entries
	More         bool     `json:"more"`                 // there are more than were counted
	References   int      `json:"references,omitempty"` // to other servers, not followed
	RootDSE      *RootDSE `json:"root_dse,omitempty"`
}

// RootDSE is what a directory says of itself (RFC 4512 section 5.1; [MS-ADTS] section 3.1.1.3.2).
type RootDSE struct {
	Vendor         string     `json:"vendor,omitempty"`
	VendorVersion  string     `json:"vendor_version,omitempty"`
	Versions       []string   `json:"ldap_versions,omitempty"`
	NamingContexts []string   `json:"naming_contexts,omitempty"`
	Host           string     `json:"host,omitempty"`    // dnsHostName
	Service        string     `json:"service,omitempty"` // dsServiceName
	Paging         bool       `json:"paging"`            // paged results (RFC 2696) are supported
	Active         bool       `json:"active_directory"`  // it is Active Directory, or says so
	CurrentTime    *time.Time `json:"current_time,omitempty"`
	ClockAheadMS   *int64     `json:"clock_ahead_ms,omitempty"` // by how much the server's clock is ahead of ours
}

// maxRootDSEValues is how many values of an attribute of the rootDSE are kept.
const maxRootDSEValues = 8

const (
	oidPaging          = "1.2.840.113556.1.4.319" // RFC 2696
	oidActiveDirectory = "1.2.840.113556.1.4.800" // LDAP_CAP_ACTIVE_DIRECTORY_OID
)

func rootDSEAttributes() []string {
	return []string{"supportedLDAPVersion", "namingContexts", "vendorName", "vendorVersion", "supportedControl",
		"supportedCapabilities", "currentTime", "dnsHostName", "dsServiceName"}
}

// newRootDSE reads the attributes that values gives, at the time now.
func newRootDSE(values func(attribute string) []string, now time.Time) *RootDSE {
	one := func(attribute string) string {
		if v := values(attribute); len(v) > 0 {
			return cleanText(v[0], maxLDAPText)
		}
		return ""
	}
	many := func(attribute string) []string {
		var kept []string
		v := values(attribute)
		for _, text := range v[:min(len(v), maxRootDSEValues)] {
			kept = append(kept, cleanText(text, maxLDAPText))
		}
		return kept
	}
	r := &RootDSE{
		Vendor: one("vendorName"), VendorVersion: one("vendorVersion"), Versions: many("supportedLDAPVersion"),
		NamingContexts: many("namingContexts"), Host: one("dnsHostName"), Service: one("dsServiceName"),
		Paging: slices.Contains(values("supportedControl"), oidPaging),
		Active: slices.Contains(values("supportedCapabilities"), oidActiveDirectory),
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

// server is the evidence of one address. Each is filled in by one goroutine.
func (r *ldapsRun) server(a *attempt) *LDAPServerEvidence {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &LDAPServerEvidence{Address: a.address.String()}
	r.servers[e.Address] = e
	return e
}

func (e *LDAPServerEvidence) noteBind(err error) {
	code := 0
	if told, ok := errors.AsType[*LDAPError](err); ok {
		code, e.BindData = told.Code, told.Data
	} else if err != nil {
		code = -1
	}
	if code >= 0 {
		e.BindResult = &code
	}
}

func (r *ldapsRun) evidence(attempts []attempt) LDAPSEvidence {
	e := LDAPSEvidence{BindDN: cleanText(r.BindDN, maxLDAPText), BaseDN: cleanText(r.BaseDN, maxLDAPText),
		MinEntries: r.MinEntries, TLS: newTLSEvidence(attempts)}
	if r.BaseDN != "" {
		e.Filter = cleanText(r.Filter, maxLDAPText)
	}
	for i := range attempts {
		if s := r.servers[attempts[i].address.String()]; s != nil {
			e.Servers = append(e.Servers, *s)
		}
	}
	return e
}
