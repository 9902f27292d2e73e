package directory

import (
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// Filter is a search filter in the form in which it is sent. The zero value is none.
type Filter struct{ encoded []byte }

// NewFilter reads a filter as a person writes it (RFC 4515). The error says, escaped, why it cannot be sent.
func NewFilter(text string) (Filter, error) {
	packet, err := ldap.CompileFilter(text)
	if err != nil {
		return Filter{}, fmt.Errorf("filter: %s", clean(err.Error()))
	}
	return Filter{encoded: packet.Bytes()}, nil
}

// present is the filter (objectClass=*), which every entry passes.
func present() Filter { return Filter{encoded: element(0x87, []byte("objectClass"))} }
