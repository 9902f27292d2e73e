package directory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sallyport/check"
)

// canned is a connection on which a directory says what it says, whatever it is asked, and hangs up.
type canned struct {
	io.Reader
	said bytes.Buffer
}

func (c *canned) Write(p []byte) (int, error)      { return c.said.Write(p) }
func (c *canned) Close() error                     { return nil }
func (c *canned) LocalAddr() net.Addr              { return nil }
func (c *canned) RemoteAddr() net.Addr             { return nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

// answered is the end of an operation.
func answered(id int, op byte, code int, more ...[]byte) []byte {
	return envelope(id, element(op, append([][]byte{number(tagEnumerated, code), octets(""), octets("words")}, more...)...))
}

func entryOf(id int, name string, attributes ...[]byte) []byte {
	return envelope(id, element(opSearchEntry, octets(name), element(tagSequence, attributes...)))
}

func seeds(f *testing.F) {
	f.Helper()
	attribute := element(tagSequence, octets("currentTime"), element(tagSet, octets("20260102030405.0Z")))
	for _, seed := range [][]byte{
		answered(1, opExtendedResponse, 0), answered(1, opExtendedResponse, 2), answered(1, opBindResponse, 49),
		answered(0, opExtendedResponse, 52, element(0x8a, []byte(oidDisconnect))),
		bytes.Join([][]byte{answered(1, opBindResponse, 0), entryOf(2, "", attribute), answered(2, opSearchDone, 0)}, nil),
		answered(1, opExtendedResponse, 10, element(tagReferral, octets("ldaps://a.test/"), octets("\x1b[2J"))),
		envelope(1, element(opSearchDone, number(tagEnumerated, 0), octets(""), octets("")),
			pageControl(5, []byte("next"), true)),
		[]byte(strings.Repeat("\x30\x80", 1000)), []byte("\x30\x84\x7f\xff\xff\xff"),
		[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		{0x30, 0x84, 0, 0, 0, 3, 2, 1, 1}, {0x30, 5, 2, 1, 1, 0x78, 0},
	} {
		f.Add(seed)
	}
}

// sound says what is wrong with an error: it must be an *Error of the layer, in plain words and not too many.
func sound(t *testing.T, err error) {
	t.Helper()
	told, ok := errors.AsType[*Error](err)
	switch {
	case err == nil:
	case !ok:
		t.Errorf("the error %v is none of this package", err)
	case told.Cause.Layer() != check.LayerLDAP, !printable(told.Error()), len(told.Error()) > 4*maxShown:
		t.Errorf("cause %q: %q", told.Cause, told.Error())
	}
}

// FuzzStartTLS holds that no answer to StartTLS breaks the reader, or is taken for an agreement that it is not.
func FuzzStartTLS(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, answer []byte) {
		err := StartTLS(context.Background(), &canned{Reader: bytes.NewReader(answer)})
		sound(t, err)
		if err == nil && !bytes.Contains(answer, []byte{tagEnumerated}) {
			t.Errorf("%x is an agreement", answer)
		}
	})
}

// FuzzSession holds that nothing that a directory says breaks a session, and that what is kept of it is bounded.
func FuzzSession(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, answers []byte) {
		ctx := context.Background()
		s := Open(ctx, &canned{Reader: bytes.NewReader(answers)})
		defer s.Close()
		sound(t, s.Bind(ctx, "cn=x", "pw"))
		root, err := s.RootDSE(ctx)
		sound(t, err)
		if root != nil && (len(root.NamingContexts) > maxRootDSEValues || !printable(root.Vendor+root.Host+root.Service)) {
			t.Errorf("rootDSE %+v", root)
		}
		for _, size := range []int{0, 2} {
			found, err := s.Search(ctx, Search{Base: "dc=x", Filter: present(), Limit: 3, PageSize: size})
			sound(t, err)
			if found.Entries > 3 || len(found.Links) > maxReferences || !printable(strings.Join(found.Links, "")) {
				t.Errorf("found %+v", found)
			}
		}
		if who, err := s.WhoAmI(ctx); err == nil && !printable(who) {
			t.Errorf("identity %q", who)
		}
	})
}
