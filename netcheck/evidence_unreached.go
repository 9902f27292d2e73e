package netcheck

import (
	"errors"

	"sallyport/netcheck/resolver"
)

// UnreachedEvidence is the evidence of a TLS check that got to no handshake: who stood in the way before.
type UnreachedEvidence struct {
	Resolver string `json:"resolver,omitempty"` // by which the name could not be resolved, as a DNS check names it
	Proxy    string `json:"proxy,omitempty"`    // the proxy's address
}

// resolverOf is the resolver that a failed resolution is told of; empty where no server was asked.
func resolverOf(err error) string {
	if told, ok := errors.AsType[*resolver.Error](err); ok {
		return told.Server
	}
	return ""
}

// proxyOf is the address of the proxy through which the attempts were made; empty for none.
func proxyOf(attempts []attempt) string {
	for i := range attempts {
		if via := attempts[i].via; via != nil {
			return via.used.String()
		}
	}
	return ""
}
