package netcheck

import (
	"errors"
	"net"
	"testing"

	"sallyport/check"
	"sallyport/netcheck/resolver"
)

// TestClassifyDNS holds what is made of the words of Go's own resolver.
func TestClassifyDNS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want check.Cause
	}{
		{&net.DNSError{IsTimeout: true}, check.DNSTimeout},
		{&net.DNSError{IsNotFound: true}, check.DNSNXDomain},
		{&net.DNSError{Err: "read udp 127.0.0.1:5->127.0.0.1:53: read: connection refused"}, check.DNSUnreachable},
		{&net.DNSError{Err: "dial udp 192.0.2.1:53: connect: network is unreachable"}, check.DNSUnreachable},
		{&net.DNSError{Err: "server misbehaving"}, check.DNSServFail},
		{&phaseError{phase: phaseDNS, err: &resolver.Error{Cause: check.DNSDangling}}, check.DNSDangling},
		{&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}, check.DNSNXDomain},
	}
	for _, tt := range tests {
		if cause, _, ok := classifyDNS(tt.err); !ok || cause != tt.want {
			t.Errorf("%v: got %q; want %q", tt.err, cause, tt.want)
		}
	}
	if _, _, ok := classifyDNS(errors.New("other")); ok {
		t.Error("an error of another layer was taken for one of dns")
	}
}
