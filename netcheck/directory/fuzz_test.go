package directory

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"sallyport/check"
)

func seeds() [][]byte {
	attribute := element(0x30, octets("currentTime"), element(0x31, octets("20260102030405.0Z")))
	return [][]byte{
		answered(1, opExtended, 0), answered(1, opExtended, 2), answered(1, opBind, 49), answered(1, opBind, 0),
		answered(0, opExtended, 52, element(inName, []byte(oidDisconnect))),
		append(entryOf(2, "", attribute), answered(2, opDone, 0)...),
		append(entryOf(3, "cn=x"), answered(3, opDone, 4)...),
		append(message(3, element(opReference, octets("ldap://a.test/"), octets("ldaps://a.test/"))),
			answered(3, opDone, 0)...),
		append(entryOf(4, "cn=x"), message(4, element(opDone, element(0x0a, []byte{0}), octets(""), octets("")),
			pageEnd("next"))...),
		answered(5, opExtended, 0, element(inValue, []byte("u:x"))),
		answered(1, opExtended, 10, element(inReferral, octets("ldaps://a.test/"), octets("\x1b[2J"))),
		[]byte(strings.Repeat("\x30\x80", 1000)), []byte("\x30\x84\x7f\xff\xff\xff"),
		[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		{0x30, 0x84, 0, 0, 0, 3, 2, 1, 1}, {0x30, 5, 2, 1, 1, 0x78, 0}, {0x30, 0},
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
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		within(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			conn, p := serve(say(answer))
			err := StartTLS(ctx, conn)
			sound(t, err)
			if err == nil && !bytes.ContainsAny(answer, "\x0a\x02") {
				t.Errorf("%x is an agreement", answer)
			}
			_ = conn.Close()
			<-p.ended
		})
	})
}

// FuzzSession holds that nothing that a directory says breaks a session, that what is kept of it is bounded, and that
// nothing of the session is left when it is closed.
func FuzzSession(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(answered(1, opBind, 0), append(entryOf(2, ""), answered(2, opDone, 0)...), seed, seed, seed)
		f.Add(seed, seed, seed, seed, seed)
	}
	f.Fuzz(func(t *testing.T, bind, root, search, page, who []byte) {
		within(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			conn, p := serve(say(bind), say(root), say(search), say(page), say(who), nil)
			s := Open(ctx, conn)
			sound(t, s.Bind(ctx, "cn=x", "pw"))
			root, err := s.RootDSE(ctx)
			sound(t, err)
			if root != nil && (len(root.NamingContexts) > maxRootDSEValues || !printable(root.Vendor+root.Host)) {
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
			s.Close()
			<-p.ended
		})
	})
}
