package directory

import (
	"testing"
	"time"
)

// FuzzGeneralizedTime holds that a time that is read is one, and that the usual form of it reads back the same.
func FuzzGeneralizedTime(f *testing.F) {
	for _, seed := range []string{"20260102030405Z", "20260102030405.0Z", "20260102030405.123+0130", "2026010203Z", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, ok := generalizedTime(text)
		if !ok {
			return
		}
		again, ok := generalizedTime(read.Format("20060102150405.999999999Z0700"))
		usual := read.Year() > 0 && read.Year() < 10_000
		if read.Location() != time.UTC || usual && (!ok || !again.Equal(read)) {
			t.Errorf("%q is %s, and then %s", text, read, again)
		}
	})
}
