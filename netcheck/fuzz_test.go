package netcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sallyport/check"
	"sallyport/netcheck/dial"
	"sallyport/netcheck/directory"
	"sallyport/netcheck/resolver"
	"sallyport/tlsprobe"
)

// FuzzClassify composes errors as the checks meet them, one around the other: each has a cause that the list knows or that
// names its layer, and words that are fit to be shown.
func FuzzClassify(f *testing.F) {
	f.Add([]byte{0, 1, 2}, "EOF", uint8(0), uint16(0))
	f.Add([]byte{7, 20, 3, 9}, "\x1b[2J\u202e", uint8(13), uint16(49))
	f.Add([]byte{12, 14, 16, 5, 11}, "data 52e, v", uint8(110), uint16(111))
	f.Fuzz(func(t *testing.T, layers []byte, text string, small uint8, number uint16) {
		err := errors.New(text)
		for _, layer := range layers[:min(len(layers), 8)] {
			err = around(layer, err, text, small, number)
		}
		cause, words := Classify(err)
		known := cause == "" || slices.Contains(check.Causes(), cause) ||
			strings.HasPrefix(string(cause), "unknown.") && cause == check.UnknownIn(cause.Layer())
		if !known {
			t.Errorf("%#v: cause %q", err, cause)
		}
		if at := raw(words, false); at != "" || len(words) > 4000 {
			t.Errorf("%#v: %d characters with %s: %q", err, len(words), at, words)
		}
	})
}

// around is an error of one of the types that the checks meet, with another within it.
func around(kind byte, err error, text string, small uint8, number uint16) error {
	phases := []string{phaseDNS, phaseConnect, phaseProxy, phaseStartTLS, phaseTLS, phaseHTTP, phaseBind, phaseSearch}
	kinds := []func() error{
		func() error { return context.Canceled },
		func() error { return context.DeadlineExceeded },
		func() error { return io.ErrUnexpectedEOF },
		func() error { return os.ErrDeadlineExceeded },
		func() error { return syscall.Errno(small) },
		func() error { return fmt.Errorf("wrapped: %w", err) },
		func() error { return errors.Join(err, errors.New("other")) },
		func() error { return &phaseError{phase: phases[int(small)%len(phases)], err: err} },
		func() error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} },
		func() error { return os.NewSyscallError("connect", err) },
		func() error {
			return &tlsprobe.HandshakeError{Failure: tlsprobe.Failure(small), Alert: tlsprobe.Alert(number),
				Said: []byte(text), Received: int64(small), Err: err}
		},
		func() error {
			return &phaseError{phase: phaseHTTP, err: &dial.HTTPError{Failure: dial.HTTPFailure(small),
				Received: int(small), Said: []byte(text), Err: err}}
		},
		func() error { return &dial.SourceError{Lack: dial.Lack(small), Err: err} },
		func() error {
			return &dial.ICMPError{Err: syscall.Errno(small), Type: small, Code: byte(number),
				From: netip.MustParseAddr("192.0.2.1"), Target: netip.MustParseAddr("192.0.2.9")}
		},
		func() error {
			return (&via{Proxy: Proxy{Host: "proxy.test", Port: number}}).refused(&dial.ProxyError{
				Answer:  dial.Answer{Status: int(number), Reason: text, Header: http.Header{"X-Squid-Error": {text}}},
				Schemes: []string{"Basic"}, Sent: small%2 == 0})
		},
		func() error { return &resolver.SecureError{Err: err} },
		func() error { return resolver.Diagnose(canceled(), "x.test", err) },
		func() error { return &directory.Error{Operation: directory.OpBind, Code: int(number), Err: err} },
		func() error {
			return HTTPRequest{}.judge(dial.Answer{Status: int(number), Reason: text,
				Header: http.Header{"Server": {text}, "Location": {text}}}, tlsprobe.Facts{})
		},
		func() error {
			return &tlsprobe.CertificateError{Verdict: tlsprobe.Verdict{Judged: true, Findings: []tlsprobe.Finding{
				{Problem: tlsprobe.Problem(small), Severity: tlsprobe.Fatal, Words: "words"}}}}
		},
	}
	return kinds[int(kind)%len(kinds)]()
}

// canceled is a context that has ended: nothing is asked with it.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
