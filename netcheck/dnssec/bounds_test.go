package dnssec_test

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/netcheck/dnssec"
)

// TestKeyTrap holds that many keys of one tag and many signatures (CVE-2023-50387) cost no more than the bound, and that
// such a zone is never Secure.
func TestKeyTrap(t *testing.T) {
	w := newWorld(t)
	k := w.keys["test."].public
	keys := []dns.RR{}
	for word := 1; word < 24; word++ {
		keys = append(keys, sameTag(k, word))
	}
	if keys[0].(*dns.DNSKEY).KeyTag() != k.KeyTag() {
		t.Fatal("the keys' tags differ: the test tries nothing")
	}
	w.says("test.", dns.TypeDNSKEY, w.signed("test.", append(keys, k)...))
	set := w.set("test.", wwwA)
	for range 100 {
		set = append(set, w.set("test.", "www.test. 300 IN A 192.0.2.99")[1])
	}
	w.says("www.test.", dns.TypeA, set)
	began := time.Now()
	v := w.validate("www.test.", dns.TypeA)
	if v.Status != dnssec.Indeterminate || v.Reason.Code != dnssec.CodeTooCostly || v.Verifications > 64 {
		t.Errorf("%s after %d signatures", v, v.Verifications)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestKeyTrapBelowAGoodKey is the same where the key that is vouched for is honest, and those below it are not.
func TestKeyTrapBelowAGoodKey(t *testing.T) {
	w := newWorld(t)
	vouched := w.keys["test."]
	w.zone("test.", "")
	many := w.keys["test."]
	set := []dns.RR{vouched.public}
	for word := 1; word < 24; word++ {
		set = append(set, sameTag(many.public, word))
	}
	w.keys["test."] = vouched
	w.says("test.", dns.TypeDNSKEY, w.signed("test.", append(set, many.public)...))
	w.keys["test."] = many
	w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
	v := w.validate("www.test.", dns.TypeA)
	if v.Status != dnssec.Indeterminate || v.Reason.Code != dnssec.CodeTooCostly || v.Verifications > 12 {
		t.Errorf("%s after %d signatures", v, v.Verifications)
	}
}

// TestDeepAliases holds that an answer of many zones ends at the bound of questions.
func TestDeepAliases(t *testing.T) {
	w := newWorld(t)
	long := ""
	for range 100 {
		long += "a."
	}
	w.says(long+"test.", dns.TypeA, w.records(long+"test. 300 IN A 192.0.2.1"))
	for n := long; n != ""; n = n[2:] {
		w.denies(n+"test.", dns.TypeDS, 0, w.set("test.", n+"test. 300 IN NSEC test. A RRSIG NSEC"))
	}
	v := w.validate(long+"test.", dns.TypeA)
	if v.Status != dnssec.Indeterminate || v.Reason.Code != dnssec.CodeTooCostly || v.Questions > 64 {
		t.Errorf("%s after %d questions", v, v.Questions)
	}
}

// TestZonesAreKept holds that a second run asks for no keys, that it asks again when their time to live is over, and that
// a change of keys in between is no failure.
func TestZonesAreKept(t *testing.T) {
	w := newWorld(t)
	w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
	v := w.validator(".")
	questions := func() int {
		t.Helper()
		got := w.by(v, "www.test.", dns.TypeA)
		if got.Status != dnssec.Secure || len(got.Chain) != 2 {
			t.Fatalf("%s, chain %+v", got, got.Chain)
		}
		return got.Questions
	}
	if first, second := questions(), questions(); first != 3 || second != 0 {
		t.Errorf("%d questions, then %d; want 3 and 0", first, second)
	}
	w.now = w.now.Add(301 * time.Second)
	if n := questions(); n != 3 {
		t.Errorf("%d questions after the time to live; want 3", n)
	}
	w.zone("test.", ".")
	w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
	if n := questions(); n != 3 {
		t.Errorf("%d questions after a change of keys; want 3", n)
	}
}

// TestUnsignedZonesAreKept holds the same of a zone that is proved to be unsigned, and that a bogus one is asked anew.
func TestUnsignedZonesAreKept(t *testing.T) {
	w := newWorld(t)
	w.denies("child.test.", dns.TypeDS, 0, w.set("test.", "child.test. 300 IN NSEC d.test. NS RRSIG NSEC"))
	w.says("www.child.test.", dns.TypeA, w.records("www.child.test. 300 IN A 192.0.2.1"))
	v := w.validator(".")
	for _, want := range []int{4, 0} {
		got := w.by(v, "www.child.test.", dns.TypeA)
		if got.Status != dnssec.Insecure || got.Reason.Code != dnssec.CodeUnsigned || got.Questions != want {
			t.Errorf("%s after %d questions, want %d", got, got.Questions, want)
		}
	}
}

// TestConcurrentRuns holds that runs may share a validator.
func TestConcurrentRuns(t *testing.T) {
	w := newWorld(t)
	w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
	answer := w.said["www.test.A"]
	v := w.validator(".")
	var group sync.WaitGroup
	for range 8 {
		other := *w // its own count
		group.Go(func() {
			for range 20 {
				got := v.Validate(t.Context(), other.ask, dnssec.Question{Name: "www.test.", Type: dns.TypeA}, answer, w.now)
				if got.Status != dnssec.Secure {
					t.Error(got)
				}
			}
		})
	}
	group.Wait()
}

// TestEveryOctetCounts holds that no octet of a signed answer or denial can be changed so that something else passes as
// Secure: what is left is what no signature covers, such as the time to live, the message's header and the case of names.
func TestEveryOctetCounts(t *testing.T) {
	w := newWorld(t)
	w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
	w.denies("www.test.", dns.TypeMX, 0, w.set("test.", last))
	w.denies("x.test.", dns.TypeA, 3, w.set("test.", last), w.set("test.", apex))
	wild(w, "e.test.", w.set("test.", "d.test. 300 IN NSEC f.test. A RRSIG NSEC"))
	tried, secure := 0, 0
	for _, q := range []dnssec.Question{{Name: "www.test.", Type: dns.TypeA}, {Name: "www.test.", Type: dns.TypeMX},
		{Name: "x.test.", Type: dns.TypeA}, {Name: "e.test.", Type: dns.TypeA}} {
		raw, err := w.said[worldKeyOf(q.Name, q.Type)].Pack()
		if err != nil {
			t.Fatal(err)
		}
		for i := range raw {
			for _, mask := range []byte{0x03, 0x20, 0xff} {
				tried++
				if w.holdsTampered(q, raw, i, mask) {
					secure++
				}
			}
		}
	}
	if secure == 0 || secure > tried/4 {
		t.Errorf("%d of %d changed messages are Secure: the test does not try what it should", secure, tried)
	}
}

// holdsTampered judges the message with one octet changed, and says whether it is Secure. It fails the test where
// something else than the original passes.
func (w *world) holdsTampered(q dnssec.Question, raw []byte, i int, mask byte) bool {
	w.t.Helper()
	changed := slices.Clone(raw)
	changed[i] ^= mask
	m := new(dns.Msg)
	if m.Unpack(changed) != nil {
		return false
	}
	v := w.validator(".").Validate(w.t.Context(), w.ask, q, m, w.now)
	if v.Status != dnssec.Secure {
		return false
	}
	original := w.said[worldKeyOf(q.Name, q.Type)]
	if got, want := dataOf(m, q), dataOf(original, q); !slices.Equal(got, want) {
		w.t.Errorf("octet %d changed by %#x: %v passes for %v", i, mask, got, want)
	}
	if m.Rcode == dns.RcodeNameError && original.Rcode != dns.RcodeNameError {
		w.t.Errorf("octet %d changed by %#x: the name is denied, and exists", i, mask)
	}
	return true
}

// dataOf is the answer's data for the question.
func dataOf(m *dns.Msg, q dnssec.Question) []string {
	var data []string
	for _, rr := range m.Answer {
		h := rr.Header()
		if dns.CanonicalName(h.Name) == q.Name && h.Rrtype == q.Type && h.Class == dns.ClassINET {
			data = append(data, rr.String()[len(h.String()):])
		}
	}
	return data
}

// FuzzTampered is TestEveryOctetCounts with any change at several places, of the messages of the chain as well.
func FuzzTampered(f *testing.F) {
	w := newWorld(f)
	w.says("www.child.test.", dns.TypeA, w.set("child.test.", "www.child.test. 300 IN A 192.0.2.1"))
	which := []string{"www.child.test.A", "child.test.DS", "child.test.DNSKEY", "test.DS", "test.DNSKEY", ".DNSKEY"}
	f.Add(uint8(0), []byte{0x00, 0x30, 0x01})
	f.Add(uint8(1), []byte{0x00, 0x40, 0x80, 0x00, 0x41, 0x7f})
	f.Fuzz(func(t *testing.T, chosen uint8, changes []byte) {
		w := *w
		w.t, w.said = t, maps.Clone(w.said)
		key := which[int(chosen)%len(which)]
		raw, err := w.said[key].Pack()
		if err != nil {
			t.Fatal(err)
		}
		for ; len(changes) >= 3; changes = changes[3:] {
			raw[(int(changes[0])<<8+int(changes[1]))%len(raw)] ^= changes[2]
		}
		m := new(dns.Msg)
		if m.Unpack(raw) != nil {
			return
		}
		q := dnssec.Question{Name: "www.child.test.", Type: dns.TypeA}
		want := []string{"192.0.2.1"}
		w.said[key] = m
		v := w.by(w.validator("."), q.Name, q.Type)
		if got := dataOf(w.said["www.child.test.A"], q); v.Status == dnssec.Secure && !slices.Equal(got, want) {
			t.Errorf("%v passes for %v", got, want)
		}
	})
}

// BenchmarkValidate is a validation whose keys are known, and one from the root.
func BenchmarkValidate(b *testing.B) {
	w := newWorld(b)
	w.says("www.test.", dns.TypeA, w.set("test.", wwwA))
	q, answer := dnssec.Question{Name: "www.test.", Type: dns.TypeA}, w.said["www.test.A"]
	b.Run("known", func(b *testing.B) {
		for v := w.validator("."); b.Loop(); {
			v.Validate(b.Context(), w.ask, q, answer, w.now)
		}
	})
	b.Run("from the root", func(b *testing.B) {
		for b.Loop() {
			w.validator(".").Validate(b.Context(), w.ask, q, answer, w.now)
		}
	})
}
