package directory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
)

// TestStartTLSAnswers holds what each answer to StartTLS means.
func TestStartTLSAnswers(t *testing.T) {
	t.Parallel()
	agreed := answered(1, opExtended, 0)
	tests := []struct {
		name   string
		answer []byte
		cause  check.Cause // none: agreed
		detail string
	}{
		{"agreed", agreed, "", ""},
		{"with the name of the operation", answered(1, opExtended, 0, element(inName, []byte(oidStartTLS))), "", ""},
		{"and something more", append(agreed, 0x16), check.LDAPMalformed, "goes on in plain text"},
		{"unknown", answered(1, opExtended, 2), check.LDAPUnwilling, "does not offer StartTLS: result 2"},
		{"unavailable", answered(1, opExtended, 52), check.LDAPUnavailable, "does not offer StartTLS: result 52"},
		{"elsewhere", answered(1, opExtended, 10, element(inReferral, octets("ldap://b.test/"))),
			check.LDAPReferral, "ldap://b.test/"},
		{"to another request", answered(2, opExtended, 0), check.LDAPClosed, "closed"},
		{"of another operation", answered(1, opBind, 0), check.LDAPMalformed, "no response"},
		{"nothing", nil, check.LDAPClosed, "closed"},
		{"half", agreed[:5], check.LDAPClosed, "closed"},
		{"a banner", []byte("220 mail.test\r\n"), check.LDAPMalformed, "0x32"},
		{"the end", answered(0, opExtended, 52, element(inName, []byte(oidDisconnect))),
			check.LDAPUnavailable, "ends"},
	}
	for _, tt := range tests {
		within(t, func(t *testing.T) {
			conn, p := serve(say(tt.answer))
			err := StartTLS(t.Context(), conn)
			told, _ := errors.AsType[*Error](err)
			if tt.cause == "" && err != nil || tt.cause != "" && (told == nil || told.Cause != tt.cause ||
				!strings.Contains(told.Detail, tt.detail)) {
				t.Errorf("%s: got %v; want %q with %q", tt.name, err, tt.cause, tt.detail)
			}
			_ = conn.Close()
			<-p.ended
			if len(p.asked) != 1 || p.asked[0].Children[1].Children[0].Data.String() != oidStartTLS {
				t.Errorf("%s: asked %+v", tt.name, p.asked)
			}
		})
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

// TestSessionLeavesNothing holds that a session ends with its context, whatever its directory does or leaves undone, and
// that nothing of it is left when it is closed: the bubble would not end.
func TestSessionLeavesNothing(t *testing.T) {
	t.Parallel()
	bound, silence := answered(1, opBind, 0), []byte(nil)
	for name, said := range map[string][][]byte{
		"silent": {silence}, "gone": {}, "silent later": {bound, silence}, "gone later": {bound},
		"half":    {bound, append(entryOf(2, "cn=x"), entryOf(2, "cn=x")[:5]...), silence},
		"endless": {bound, entryOf(2, "cn=x,dc=test")},
		"the end": {bound, answered(0, opExtended, 52, element(inName, []byte(oidDisconnect))), silence},
		"garbage": {bound, {0x30, 0}, silence},
	} {
		for _, given := range []time.Duration{time.Second, time.Hour} {
			within(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), given)
				defer time.AfterFunc(time.Second, cancel).Stop()
				if name == "endless" { // what is left must not end by the context
					ctx = context.WithoutCancel(ctx)
				}
				var answers []io.Reader
				for at, octets := range said {
					switch {
					case octets == nil:
						answers = append(answers, nil)
					case name == "endless" && at == 1:
						answers = append(answers, endless{octets})
					default:
						answers = append(answers, say(octets))
					}
				}
				began := time.Now()
				conn, p := serve(answers...)
				s := Open(ctx, conn)
				if err := s.Bind(ctx, "cn=x", "pw"); err == nil {
					_, err = s.Search(ctx, Search{Base: "dc=x", Filter: present(), Limit: 100})
					if (err != nil) == (name == "endless") {
						t.Errorf("%s: got %v", name, err)
					}
				}
				s.Close()
				<-p.ended
				if took := time.Since(began); took > time.Second+farewell {
					t.Errorf("%s: it took %s", name, took)
				}
			})
		}
	}
}

// TestDeafDirectory holds that a session ends where its directory takes nothing in: in time that passes, and with nothing
// of the library's left.
func TestDeafDirectory(t *testing.T) {
	conn, theirs := net.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	s := Open(ctx, conn)
	told, _ := errors.AsType[*Error](s.Bind(ctx, "cn=x", "pw"))
	s.Close()
	if took := time.Since(began); told == nil || told.Cause != check.LDAPTimeout || took > time.Second {
		t.Errorf("got %v after %s; want ldap.timeout", told, took)
	}
	_ = theirs.Close()
	until := time.Now().Add(5 * time.Second)
	for left := true; left; runtime.Gosched() {
		buf := make([]byte, 1<<20)
		left = strings.Contains(string(buf[:runtime.Stack(buf, true)]), "ldap.(*Conn)")
		if time.Now().After(until) {
			t.Fatal("goroutines of the library are left")
		}
	}
}

// TestPagingControl holds how a page is asked for: critical where the user demands pages (RFC 2696 section 3).
func TestPagingControl(t *testing.T) {
	t.Parallel()
	for _, paged := range []bool{false, true} {
		within(t, func(t *testing.T) {
			conn, p := serve(pageOf(1, 1, ""))
			s := Open(t.Context(), conn)
			_, err := s.Search(t.Context(), Search{Base: "dc=x", Filter: present(), Limit: 9, PageSize: 5, Paged: paged})
			s.Close()
			<-p.ended
			if err != nil || len(p.asked) != 1 || len(p.asked[0].Children) != 3 {
				t.Fatalf("asked %+v, %v", p.asked, err)
			}
			parts := p.asked[0].Children[2].Children[0].Children
			if parts[0].Value != oidPaging || (len(parts) == 3) != paged || paged && parts[1].ByteValue[0] != 0xff {
				t.Errorf("paged %v: the control is %+v", paged, parts)
			}
		})
	}
}

// endless is a directory that goes on for ever.
type endless struct{ said []byte }

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e.said) <= len(p) {
		n += copy(p[n:], e.said)
	}
	if n == 0 {
		panic("there is no room for one message")
	}
	return n, nil
}

// TestEndlessSearchIsBounded holds that what a directory sends is counted and let go, and ends.
func TestEndlessSearchIsBounded(t *testing.T) {
	deep := octets(strings.Repeat("x", 200<<10))
	for range 20 {
		deep = element(0x30, deep)
	}
	one := entryOf(1, strings.Repeat("x", maxMessage-100))
	large := make([]io.Reader, 160)
	for i := range large {
		large[i] = bytes.NewReader(one)
	}
	for name, tt := range map[string]struct {
		answer io.Reader
		limit  int
		more   bool
		failed check.Cause
	}{
		"entries": {endless{entryOf(1, "cn=x,dc=test")}, 100_000, true, ""},
		"references": {endless{message(1, element(opReference, octets("ldap://x.test/")))},
			1000, false, check.LDAPMalformed},
		"other requests": {endless{entryOf(7, "cn=x")}, 1000, false, check.LDAPMalformed},
		"large entries":  {io.MultiReader(large...), 10_000, false, check.LDAPMalformed},
		"deep entries":   {say(message(1, element(opEntry, octets(""), deep))), 1_000_000, false, check.LDAPMalformed},
		"many elements": {say(entryOf(1, "", bytes.Repeat([]byte{5, 0}, 100<<10))), 1_000_000, false,
			check.LDAPMalformed},
	} {
		conn, p := serve(tt.answer)
		watched := &watching{Conn: conn}
		runtime.GC()
		runtime.ReadMemStats(&watched.before)
		s := Open(t.Context(), watched)
		found, err := s.Search(t.Context(), Search{Base: "dc=x", Filter: present(), Limit: tt.limit})
		s.Close()
		<-p.ended
		told, _ := errors.AsType[*Error](err)
		if found.More != tt.more || (err != nil) != (tt.failed != "") || told != nil && told.Cause != tt.failed {
			t.Errorf("%s: found %+v, %v", name, found, err)
		}
		t.Logf("%s: %d KiB were held at most", name, watched.most>>10)
		if watched.most > 24<<20 {
			t.Errorf("%s: %d octets were held", name, watched.most)
		}
	}
}

// watching is a connection that looks how much memory is held when it is read from.
type watching struct {
	net.Conn
	before runtime.MemStats
	reads  int
	most   uint64
}

func (w *watching) Read(p []byte) (int, error) {
	if w.reads++; w.reads%16 == 0 {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		w.most = max(w.most, now.HeapAlloc-min(w.before.HeapAlloc, now.HeapAlloc))
	}
	return w.Conn.Read(p)
}
