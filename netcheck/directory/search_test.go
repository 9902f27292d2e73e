package directory

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"sallyport/check"
)

// pageOf is a page of entries that answers a request, with the cookie of the next one.
func pageOf(id byte, entries int, cookie string) io.Reader {
	var said [][]byte
	for i := range entries {
		said = append(said, entryOf(id, fmt.Sprintf("cn=%d-%d", id, i)))
	}
	done := element(opDone, element(0x0a, []byte{0}), octets(""), octets(""))
	return say(append(said, message(id, done, pageEnd(cookie)))...)
}

func whole(id byte, entries int, code byte) io.Reader {
	var said [][]byte
	for i := range entries {
		said = append(said, entryOf(id, fmt.Sprintf("cn=%d", i)))
	}
	return say(append(said, answered(id, opDone, code))...)
}

// TestSearchPages holds what is counted of the pages of directories that give as many entries as they are asked for,
// fewer, none, or no pages at all.
func TestSearchPages(t *testing.T) {
	t.Parallel()
	join := func(pages ...io.Reader) []io.Reader { return pages }
	tests := []struct {
		name   string
		said   []io.Reader
		search Search
		want   Found
		cause  check.Cause
	}{
		{"all of it", join(pageOf(1, 4, "a"), pageOf(2, 4, "b"), pageOf(3, 2, "")), Search{Limit: 100, PageSize: 4},
			Found{Entries: 10, Pages: 3}, ""},
		{"as many as are wanted", join(pageOf(1, 4, "a"), pageOf(2, 1, "b")), Search{Limit: 5, PageSize: 4},
			Found{Entries: 5, Pages: 2, More: true}, ""},
		{"smaller pages, as of MaxPageSize", join(pageOf(1, 3, "a"), pageOf(2, 3, "b"), pageOf(3, 1, "")),
			Search{Limit: 100, PageSize: 50}, Found{Entries: 7, Pages: 3, PageLimit: 3}, ""},
		{"an empty page between", join(pageOf(1, 0, "a"), pageOf(2, 2, "")), Search{Limit: 100, PageSize: 2},
			Found{Entries: 2, Pages: 2}, ""},
		{"larger pages than wanted", join(pageOf(1, 9, "a")), Search{Limit: 5, PageSize: 4},
			Found{Entries: 5, More: true, Code: CodeNone}, ""},
		{"no pages, not needed", join(whole(1, 4, 0)), Search{Limit: 100, PageSize: 4}, Found{Entries: 4}, ""},
		{"no pages, but asked for", join(whole(1, 4, 0)), Search{Limit: 100, PageSize: 4, Paged: true}, Found{Entries: 4},
			check.LDAPNoPaging},
		{"a critical control refused", join(whole(1, 0, 12)), Search{Limit: 100, PageSize: 4, Paged: true}, Found{Code: 12},
			check.LDAPNoPaging},
		{"a limit", join(whole(1, 4, 4)), Search{Limit: 100}, Found{Entries: 4, More: true, Code: 4}, check.LDAPSizeLimit},
		{"our own limit", join(whole(1, 4, 4)), Search{Limit: 4}, Found{Entries: 4, More: true, Code: 4}, ""},
		{"hangs up between pages", join(pageOf(1, 4, "a")), Search{Limit: 100, PageSize: 4},
			Found{Entries: 4, Pages: 1, More: true}, check.LDAPClosed},
	}
	for _, tt := range tests {
		with(t, func(t *testing.T, s *Session) {
			tt.search.Filter = present()
			got, err := s.Search(t.Context(), tt.search)
			told, _ := errors.AsType[*Error](err)
			if (err != nil) != (tt.cause != "") || told != nil && told.Cause != tt.cause {
				t.Errorf("%s: got %v; want %q", tt.name, err, tt.cause)
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("%s: found %+v; want %+v", tt.name, got, tt.want)
			}
		}, tt.said...)
	}
}

// TestExternalAnswers holds what each answer to a bind by certificate means.
func TestExternalAnswers(t *testing.T) {
	t.Parallel()
	for code, want := range map[byte]check.Cause{
		0: "", 7: check.LDAPStrongAuthRequired, 8: check.LDAPStrongAuthRequired, 14: check.LDAPMalformed,
		48: check.LDAPInvalidCredentials, 49: check.LDAPInvalidCredentials, 51: check.LDAPBusy, 53: check.LDAPUnwilling,
	} {
		with(t, func(t *testing.T, s *Session) {
			told, _ := errors.AsType[*Error](s.BindExternal(t.Context()))
			if want == "" && told != nil || want != "" && (told == nil || told.Cause != want) {
				t.Errorf("code %d: got %v; want %q", code, told, want)
			}
		}, say(answered(1, opBind, code)))
	}
}

// TestWhoAmI holds how the identity of a session is read (RFC 4532).
func TestWhoAmI(t *testing.T) {
	t.Parallel()
	for want, more := range map[string][][]byte{
		"dn:cn=x": {element(inValue, []byte("dn:cn=x"))},
		"u:x":     {element(inName, []byte(oidWhoAmI)), element(inValue, []byte("u:x"))},
		"":        nil, `\x1b[2J`: {element(inValue, []byte("\x1b[2J"))},
	} {
		with(t, func(t *testing.T, s *Session) {
			if got, err := s.WhoAmI(t.Context()); got != want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}, say(answered(1, opExtended, 0, more...)))
	}
}
