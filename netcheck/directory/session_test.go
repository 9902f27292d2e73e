package directory

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"sallyport/check"
)

// TestStartTLSAnswers holds what each answer to StartTLS means.
func TestStartTLSAnswers(t *testing.T) {
	t.Parallel()
	agreed := answered(1, opExtendedResponse, 0)
	tests := []struct {
		name   string
		answer []byte
		cause  check.Cause // none: agreed
		detail string
	}{
		{"agreed", agreed, "", ""},
		{"with the name of the operation", answered(1, opExtendedResponse, 0, element(0x8a, []byte(oidStartTLS))), "", ""},
		{"and something more", append(agreed, 0x16), check.LDAPMalformed, "goes on in plain text"},
		{"unknown", answered(1, opExtendedResponse, 2), check.LDAPUnwilling, "does not offer StartTLS: result 2"},
		{"unavailable", answered(1, opExtendedResponse, 52), check.LDAPUnavailable, "does not offer StartTLS: result 52"},
		{"elsewhere", answered(1, opExtendedResponse, 10, element(tagReferral, octets("ldap://b.test/"))),
			check.LDAPReferral, "ldap://b.test/"},
		{"to another request", answered(2, opExtendedResponse, 0), check.LDAPClosed, "closed"},
		{"of another operation", answered(1, opBindResponse, 0), check.LDAPMalformed, "no response"},
		{"nothing", nil, check.LDAPClosed, "closed"},
		{"half", agreed[:5], check.LDAPClosed, "closed"},
		{"a banner", []byte("220 mail.test\r\n"), check.LDAPMalformed, "0x32"},
		{"the end", answered(0, opExtendedResponse, 52, element(0x8a, []byte(oidDisconnect))),
			check.LDAPUnavailable, "ends"},
	}
	for _, tt := range tests {
		conn := &canned{Reader: bytes.NewReader(tt.answer)}
		err := StartTLS(t.Context(), conn)
		told, _ := errors.AsType[*Error](err)
		if tt.cause == "" && err != nil || tt.cause != "" && (told == nil || told.Cause != tt.cause ||
			!strings.Contains(told.Detail, tt.detail)) {
			t.Errorf("%s: got %v; want %q with %q", tt.name, err, tt.cause, tt.detail)
		}
		sent, err := ber.DecodePacketErr(conn.said.Bytes())
		if err != nil || sent.Children[1].Children[0].Data.String() != oidStartTLS {
			t.Errorf("%s: sent %x, %v", tt.name, conn.said.Bytes(), err)
		}
	}
}

// TestSilence holds that a session ends with its context: by the deadline, and when it is given up.
func TestSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, end := range []time.Duration{time.Second, 200 * time.Millisecond} {
			ours, theirs := net.Pipe()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			timer := time.AfterFunc(end, func() {
				if end < time.Second {
					cancel()
				}
			})
			go func() { _, _ = theirs.Read(make([]byte, 1<<10)) }()
			began := time.Now()
			err := StartTLS(ctx, ours)
			told, _ := errors.AsType[*Error](err)
			want := map[bool]check.Cause{true: check.LDAPTimeout, false: ""}[end == time.Second]
			if told == nil || told.Cause != want || time.Since(began) != end {
				t.Errorf("got %v after %s; want %q after %s", err, time.Since(began), want, end)
			}
			timer.Stop()
			cancel()
			_, _ = ours.Close(), theirs.Close()
		}
	})
}

// TestRequestsAreTheLibrarys holds that requests are octet for octet what the LDAP library sends.
func TestRequestsAreTheLibrarys(t *testing.T) {
	t.Parallel()
	const text = "(&(objectClass=person)(|(mail=*)(cn=a\\28*b)(!(uid>=5))))"
	filter, err := NewFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	attributes := []string{"currentTime", "namingContexts"}
	control := ldap.NewControlPaging(500)
	control.SetCookie([]byte("cookie"))
	requests := map[string]struct {
		ask  func(c *ldap.Conn) error
		ours []byte
	}{
		"bind": {func(c *ldap.Conn) error { return c.Bind("cn=x,dc=test", "pw") },
			envelope(1, simpleBind("cn=x,dc=test", "pw"))},
		"external": {func(c *ldap.Conn) error { return c.ExternalBind() }, envelope(1, externalBind())},
		"search": {func(c *ldap.Conn) error {
			_, err := c.Search(ldap.NewSearchRequest("dc=test", scopeSubtree, 0, 300, 70_000, false, text, attributes, nil))
			return err
		}, envelope(1, searchRequest("dc=test", scopeSubtree, 300, 70_000, filter, attributes...))},
		"a page": {func(c *ldap.Conn) error {
			_, err := c.Search(ldap.NewSearchRequest("dc=test", scopeSubtree, 0, 0, 5, false, text, attributes,
				[]ldap.Control{control}))
			return err
		}, envelope(1, searchRequest("dc=test", scopeSubtree, 0, 5, filter, attributes...),
			pageControl(500, []byte("cookie"), false))},
		"whoami": {func(c *ldap.Conn) error { _, err := c.WhoAmI(nil); return err }, envelope(1, extended(oidWhoAmI))},
	}
	for name, r := range requests {
		conn := &canned{Reader: bytes.NewReader(nil)}
		session := Open(t.Context(), conn)
		_, _ = session.wire.Write(r.ours)
		theirs := &canned{Reader: never{}}
		library := ldap.NewConn(theirs, true)
		library.SetTimeout(10 * time.Millisecond)
		library.Start()
		_ = r.ask(library)
		want, err := ber.DecodePacketErr(theirs.said.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := ber.DecodePacketErr(conn.said.Bytes())
		if err != nil || !bytes.Equal(normal(got), normal(want)) {
			t.Errorf("%s:\n got %x, %v\nwant %x", name, normal(got), err, normal(want))
		}
	}
}

type never struct{}

func (never) Read([]byte) (int, error) { select {} }

// normal is a packet in one form: lengths may be written in more than one.
func normal(p *ber.Packet) []byte {
	out := []byte{byte(p.ClassType) | byte(p.TagType) | byte(p.Tag)}
	if len(p.Children) == 0 {
		return append(append(out, byte(p.Data.Len())), p.Data.Bytes()...)
	}
	for _, child := range p.Children {
		out = append(out, normal(child)...)
	}
	return append(out, 0)
}

// endless is a directory that goes on for ever after a bind.
type endless struct{ entry []byte }

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e.entry) <= len(p) {
		n += copy(p[n:], e.entry)
	}
	return max(n, 1), nil
}

// TestEndlessSearchIsBounded holds that what a directory sends costs the memory of one message, and ends.
func TestEndlessSearchIsBounded(t *testing.T) {
	large := entryOf(1, strings.Repeat("x", 1<<20-100))
	for name, tt := range map[string]struct {
		said   []byte
		limit  int
		more   bool
		failed check.Cause
	}{
		"entries": {entryOf(1, "cn=x,dc=test"), 100_000, true, ""},
		"references": {envelope(1, element(opSearchReference, octets("ldap://x.test/"))),
			1000, false, check.LDAPMalformed},
		"other requests": {entryOf(7, "cn=x"), 1000, false, check.LDAPMalformed},
	} {
		s := Open(t.Context(), &canned{Reader: endless{tt.said}})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		found, err := s.Search(t.Context(), Search{Base: "dc=x", Filter: present(), Limit: tt.limit})
		runtime.ReadMemStats(&after)
		told, _ := errors.AsType[*Error](err)
		if found.More != tt.more || (err != nil) != (tt.failed != "") || told != nil && told.Cause != tt.failed {
			t.Errorf("%s: found %+v, %v", name, found, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<10 {
			t.Errorf("%s: %d octets were allocated", name, used)
		}
		s.Close()
	}
	s := Open(t.Context(), &canned{Reader: bytes.NewReader(bytes.Repeat(large, 80))})
	found, err := s.Search(t.Context(), Search{Base: "dc=x", Filter: present(), Limit: 10_000})
	if told, _ := errors.AsType[*Error](err); told == nil || !errors.Is(err, errBudget) || found.Entries < 15 {
		t.Errorf("large entries: found %+v, %v; want that more than the budget is too much", found, err)
	}
}
