package directory

import (
	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// paging is the control that asks for a page of a search (RFC 2696 section 3), which the library never sends as critical.
type paging struct {
	ldap.ControlPaging
	critical bool
}

// Encode is the control as it is sent.
func (p *paging) Encode() *ber.Packet {
	parts := p.ControlPaging.Encode()
	if !p.critical { // a default is left out (RFC 4511 section 5.1)
		return parts
	}
	control := ber.NewSequence("")
	control.AppendChild(parts.Children[0])
	control.AppendChild(ber.NewLDAPBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, true, ""))
	control.AppendChild(parts.Children[1])
	return control
}

// nextPage is the cookie of the next page in the controls of a response; ok is false where the directory does not page,
// and the cookie is empty on the last page.
func nextPage(controls []ldap.Control) (cookie []byte, ok bool) {
	if p, ok := ldap.FindControl(controls, oidPaging).(*ldap.ControlPaging); ok {
		return p.Cookie, true
	}
	return nil, false
}
