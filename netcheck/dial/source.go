package dial

import (
	"fmt"
	"net/netip"
	"strings"
)

// Lack is what this host lacks to send from.
type Lack uint8

const (
	LackUnknown     Lack = iota
	NoInterface          // the interface does not exist
	InterfaceDown        // it is there, but not up
	NoCarrier            // it is up, but its link is not
	InterfaceDenied      // this process may not choose it: before kernel 5.7 that took CAP_NET_RAW
	NoSource             // the source address is not one of this host's
	OtherFamily          // the source address is of another family than the target
	NoPort               // every local port towards the target is in use
)

// SourceError is a connection that was not made because this host has nothing to send it from, or not what the options
// want. Nothing was sent.
type SourceError struct {
	Lack Lack
	Options
	Err error // the system's, nil for OtherFamily
}

// Error is one sentence for a person.
func (e *SourceError) Error() string {
	switch e.Lack {
	case NoInterface:
		return fmt.Sprintf("this host has no interface %q", e.Interface)
	case InterfaceDown:
		return fmt.Sprintf("the interface %q is down", e.Interface)
	case NoCarrier:
		return fmt.Sprintf("the interface %q has no link (no carrier)", e.Interface)
	case InterfaceDenied:
		return fmt.Sprintf("the interface %q cannot be chosen by this process: %v", e.Interface, e.Err)
	case NoSource:
		return fmt.Sprintf("the source address %s is not an address of this host", e.Source)
	case OtherFamily:
		return fmt.Sprintf("the source address %s is none to reach that address from: it is an %s one", e.Source,
			Family(e.Source))
	case NoPort:
		from := "this host has"
		if e.Source.IsValid() {
			from = e.Source.String() + " has"
		}
		return from + " nothing to send from: every local port towards the target is in use"
	default:
		return strings.TrimSuffix(fmt.Sprintf("this host has nothing to send from: %v", e.Err), ": <nil>")
	}
}

// Unwrap is the system's error.
func (e *SourceError) Unwrap() error { return e.Err }

func (o Options) lacks(what Lack, err error) *SourceError {
	return &SourceError{Lack: what, Options: o, Err: err}
}

// fits refuses a source address of another family than the target before a socket is made for it.
func (o Options) fits(target netip.Addr) error {
	if o.Source.IsValid() && o.Source.Unmap().Is4() != target.Unmap().Is4() {
		return o.lacks(OtherFamily, nil)
	}
	return nil
}
