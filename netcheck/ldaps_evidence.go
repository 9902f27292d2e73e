package netcheck

import (
	"errors"
	"time"

	"sallyport/netcheck/directory"
)

// LDAPSEvidence is what each address of a directory showed. Text from servers in it is escaped and bounded.
type LDAPSEvidence struct {
	BindDN     string               `json:"bind_dn,omitempty"` // empty: anonymous
	BaseDN     string               `json:"base_dn,omitempty"` // empty: the rootDSE alone is read
	Filter     string               `json:"filter,omitempty"`
	MinEntries int                  `json:"min_entries"`
	TLS        *TLSEvidence         `json:"tls,omitempty"`
	Discover   string               `json:"discover,omitempty"`   // the domain whose servers DNS was asked for
	Discovered []string             `json:"discovered,omitempty"` // host:port of each
	Resolver   string               `json:"resolver,omitempty"`   // by which a name could not be resolved
	Servers    []LDAPServerEvidence `json:"servers,omitempty"`
}

// TLSVersion is that of the TLS handshakes.
func (e LDAPSEvidence) TLSVersion() string { return e.TLS.TLSVersion() }

// EarliestExpiry is that of the TLS handshakes.
func (e LDAPSEvidence) EarliestExpiry() time.Time { return e.TLS.EarliestExpiry() }

// LDAPServerEvidence is what one address showed above TLS. A code is nil when no result came.
type LDAPServerEvidence struct {
	Address      string             `json:"address"`
	BindResult   *int               `json:"bind_result,omitempty"` // LDAP result code
	BindData     string             `json:"bind_data,omitempty"`   // Active Directory's reason, such as 52e
	SearchResult *int               `json:"search_result,omitempty"`
	Identity     string             `json:"identity,omitempty"` // who the directory took a client certificate for (RFC 4532)
	Entries      int                `json:"entries"`            // counted up to one more than decides
	Pages        int                `json:"pages,omitempty"`
	PageLimit    int                `json:"page_limit,omitempty"` // of entries, where the directory gives smaller pages
	More         bool               `json:"more"`                 // there are more than were counted
	References   int                `json:"references,omitempty"` // to other servers
	Links        []string           `json:"links,omitempty"`      // the addresses in references and referrals, the first 8
	Followed     []LDAPSReferral    `json:"followed,omitempty"`
	RootDSE      *directory.RootDSE `json:"root_dse,omitempty"`
}

// server is the evidence of one address. Each is filled in by one goroutine.
func (r *ldapsRun) server(a *attempt) *LDAPServerEvidence {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &LDAPServerEvidence{Address: a.address.String()}
	r.servers[a.address] = e
	return e
}

func (e *LDAPServerEvidence) noteBind(err error) {
	code := 0
	if told, ok := errors.AsType[*directory.Error](err); ok {
		code, e.BindData = told.Code, told.Data
	} else if err != nil {
		code = -1
	}
	if code >= 0 {
		e.BindResult = &code
	}
}

// note writes down what a search found.
func (e *LDAPServerEvidence) note(got directory.Found, err error) {
	e.Entries, e.More, e.References, e.Links = got.Entries, got.More, got.References, got.Links
	e.Pages, e.PageLimit = got.Pages, got.PageLimit
	if told, ok := errors.AsType[*directory.Error](err); ok && len(told.Referrals) > 0 {
		e.Links = told.Referrals
	}
	if got.Code >= 0 {
		e.SearchResult = &got.Code
	}
}

func (r *ldapsRun) evidence(attempts []attempt) LDAPSEvidence {
	e := LDAPSEvidence{BindDN: cleanText(r.BindDN, maxLDAPText), BaseDN: cleanText(r.BaseDN, maxLDAPText),
		MinEntries: r.MinEntries, TLS: newTLSEvidence(attempts)}
	e.Discover, e.Discovered = cleanText(r.Discover, maxLDAPText), r.discovered
	if r.BaseDN != "" {
		e.Filter = cleanText(r.Filter, maxLDAPText)
	}
	for i := range attempts {
		if s := r.servers[attempts[i].address]; s != nil {
			e.Servers = append(e.Servers, *s)
		}
	}
	return e
}
