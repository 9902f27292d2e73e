package directory

import (
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// Filter is a search filter that can be sent. The zero value is none.
type Filter struct{ text string }

// NewFilter reads a filter as a person writes it (RFC 4515). The error says, escaped, why it cannot be sent.
func NewFilter(text string) (Filter, error) {
	if _, err := ldap.CompileFilter(text); err != nil {
		return Filter{}, fmt.Errorf("filter: %s", clean(err.Error()))
	}
	return Filter{text}, nil
}

// IsZero says whether there is no filter.
func (f Filter) IsZero() bool { return f.text == "" }

// present is the filter that every entry passes.
func present() Filter { return Filter{"(objectClass=*)"} }
