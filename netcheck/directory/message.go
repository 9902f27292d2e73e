package directory

import (
	"fmt"
	"strings"

	"sallyport/netcheck/plain"
)

// response is a message of the directory. What it holds is valid until the next one is read.
type response struct {
	id       int
	op       byte
	body     elements // of the operation
	controls elements
}

// parseResponse reads the envelope of a message (RFC 4511 section 4.1.1).
func parseResponse(content elements) (response, error) {
	var r response
	var err error
	if r.id, err = content.integer(tagInteger); err != nil {
		return r, fmt.Errorf("the message's number: %w", err)
	}
	if r.op, r.body, err = content.next(); err != nil {
		return r, fmt.Errorf("the operation: %w", err)
	}
	if r.controls, _, err = content.maybe(tagControls); err != nil {
		return r, fmt.Errorf("the controls: %w", err)
	}
	return r, nil
}

// result is what ends an operation (RFC 4511 section 4.1.9).
type result struct {
	code      int
	message   string
	referrals []string // escaped; at most maxReferences
}

// parseResult takes the result from the head of an operation's body; what is left of the body stands behind it.
func (r *response) parseResult() (result, error) {
	var told result
	code, err := r.body.integer(tagEnumerated)
	if err != nil {
		return told, fmt.Errorf("the result code: %w", err)
	}
	if code < 0 || code > maxResultCode {
		return told, fmt.Errorf("the result code: %w", errNoInteger)
	}
	told.code = code
	if _, err = r.body.take(tagOctets); err != nil {
		return told, fmt.Errorf("the matched name: %w", err)
	}
	message, err := r.body.take(tagOctets)
	if err != nil {
		return told, fmt.Errorf("the message: %w", err)
	}
	told.message = strings.TrimRight(string(message[:min(len(message), maxKept)]), "\x00") // Active Directory's last one
	links, _, err := r.body.maybe(tagReferral)
	if err != nil {
		return told, fmt.Errorf("the referral: %w", err)
	}
	told.referrals = parseLinks(links)
	return told, nil
}

// parseLinks reads the addresses of a referral or a search reference (RFC 4511 sections 4.1.10 and 4.5.3), any of which
// leads to the same entries.
func parseLinks(links elements) []string {
	var kept []string
	for len(kept) < maxReferences && len(links) > 0 {
		link, err := links.take(tagOctets)
		if err != nil {
			break // what came before it stands
		}
		kept = append(kept, plain.Text(string(link[:min(len(link), maxKept)]), maxLink))
	}
	return kept
}

// envelope is a request as it is sent.
func envelope(id int, op []byte, controls ...[]byte) []byte {
	if len(controls) == 0 {
		return element(tagSequence, number(tagInteger, id), op)
	}
	return element(tagSequence, number(tagInteger, id), op, element(tagControls, controls...))
}

// simpleBind is a bind of version 3 with a password (RFC 4511 section 4.2).
func simpleBind(dn, password string) []byte {
	return element(opBindRequest, number(tagInteger, 3), octets(dn), element(tagSimpleBind, []byte(password)))
}

// externalBind is a SASL bind by what the connection has proved already, with an initial response that leaves it to the
// directory who that is (RFC 4422 appendix A; RFC 4513 section 5.2.3).
func externalBind() []byte {
	return element(opBindRequest, number(tagInteger, 3), octets(""),
		element(tagSASLBind, octets("EXTERNAL"), octets("")))
}

// extended is an extended operation without a value (RFC 4511 section 4.12).
func extended(oid string) []byte {
	return element(opExtendedRequest, element(tagRequestName, []byte(oid)))
}

// The scopes of a search (RFC 4511 section 4.5.1.2).
const (
	scopeBase    = 0
	scopeSubtree = 2
)

// searchRequest asks for entries without dereferencing aliases (RFC 4511 section 4.5.1).
func searchRequest(base string, scope, sizeLimit, seconds int, filter Filter, attributes ...string) []byte {
	names := make([][]byte, len(attributes))
	for i, name := range attributes {
		names[i] = octets(name)
	}
	return element(opSearchRequest, octets(base), number(tagEnumerated, scope), number(tagEnumerated, 0),
		number(tagInteger, sizeLimit), number(tagInteger, seconds), boolean(false), filter.encoded,
		element(tagSequence, names...))
}

// pageControl asks for a page of a search (RFC 2696 section 3).
func pageControl(size int, cookie []byte, critical bool) []byte {
	value := element(tagSequence, number(tagInteger, size), element(tagOctets, cookie))
	if !critical { // a default is left out (RFC 4511 section 5.1)
		return element(tagSequence, octets(oidPaging), element(tagOctets, value))
	}
	return element(tagSequence, octets(oidPaging), boolean(true), element(tagOctets, value))
}

// page finds the cookie of the next page in the controls of a response; ok is false where the directory does not page,
// and the cookie is empty on the last page.
func (r *response) page() (cookie []byte, ok bool) {
	for controls := r.controls; len(controls) > 0; {
		control, err := controls.take(tagSequence)
		if err != nil {
			return nil, false
		}
		oid, err := control.take(tagOctets)
		if err != nil || string(oid) != oidPaging {
			continue
		}
		if _, _, err = control.maybe(tagBoolean); err != nil {
			return nil, false
		}
		value, err := control.take(tagOctets)
		if err != nil {
			return nil, false
		}
		inner, err := value.take(tagSequence)
		if err != nil {
			return nil, false
		}
		if _, err = inner.take(tagInteger); err != nil {
			return nil, false
		}
		next, err := inner.take(tagOctets)
		return next, err == nil
	}
	return nil, false
}
