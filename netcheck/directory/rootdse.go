package directory

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

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

// maxRootDSEValues is how many values of one attribute are kept.
const maxRootDSEValues = 8

const oidActiveDirectory = "1.2.840.113556.1.4.800" // LDAP_CAP_ACTIVE_DIRECTORY_OID

func rootDSEAttributes() []string {
	return []string{"supportedLDAPVersion", "namingContexts", "vendorName", "vendorVersion", "supportedControl",
		"supportedExtension", "supportedCapabilities", "supportedSASLMechanisms", "currentTime", "dnsHostName",
		"dsServiceName"}
}

// RootDSE reads what the directory says of itself. One that answers, but does not show it, is an Error with the code 0.
func (s *Session) RootDSE(ctx context.Context) (*RootDSE, error) {
	var found *ldap.SearchResult
	told, err := s.do(ctx, OpRootDSE, func() (err error) {
		found, err = s.conn.Search(&ldap.SearchRequest{Scope: ldap.ScopeBaseObject, SizeLimit: 2, EnforceSizeLimit: true,
			TimeLimit: wholeSeconds(ctx), Filter: present().text, Attributes: rootDSEAttributes()})
		if errors.Is(err, ldap.ErrSizeLimitExceeded) {
			return nil // it shows something, which is no rootDSE
		}
		return err
	}, searchAnswers()...)
	switch {
	case err != nil:
		return nil, err
	case told.code != 0:
		return nil, refused(OpRootDSE, told, s.anonymous)
	case len(found.Entries) != 1:
		return nil, &Error{Cause: check.LDAPInsufficientAccess, Operation: OpRootDSE,
			Detail: "the directory does not show its rootDSE"}
	default:
		return newRootDSE(found.Entries[0].GetEqualFoldAttributeValues, time.Now()), nil
	}
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
