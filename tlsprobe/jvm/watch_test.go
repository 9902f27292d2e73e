package jvm

import (
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/tlsprobe/tlsprobetest"
)

// kept is a memory for tests.
type kept struct {
	seen Seen
	told int
}

func (k *kept) LastStore() (Seen, bool) { return k.seen, k.told > 0 }
func (k *kept) StoreSeen(s Seen) error  { k.seen = s; k.told++; return nil }

// jksOf is a trust store as keytool writes it, but for the digest, which a Java without a password does not check.
func jksOf(certs ...*x509.Certificate) string {
	b := binary.BigEndian.AppendUint32([]byte("\xFE\xED\xFE\xED\x00\x00\x00\x01"), uint32(len(certs)))
	for _, cert := range certs {
		b = append(b, "\x00\x00\x00\x02\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x00"...)
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(cert.Raw))), cert.Raw...)
	}
	return string(b) + strings.Repeat("\x00", 20)
}

// TestWatchReplacedStore: a store is read once, read again when its file changes, and what vanished is told, also when
// it was replaced while nobody watched.
func TestWatchReplacedStore(t *testing.T) {
	t.Parallel()
	now := time.Now()
	office := tlsprobetest.Office{Now: now, Name: "localhost"}
	issue := func(name string) *tlsprobetest.Paper {
		return office.Issue(t, tlsprobetest.NewKey(t), nil, office.Authority(name))
	}
	one, two, three := issue("One"), issue("Two"), issue("Three")
	leaf := office.Issue(t, tlsprobetest.NewKey(t), one)
	jre := home(t, t.TempDir(), "17.0.1")
	store := put(t, jre+"/lib/security/cacerts", jksOf(one.Cert, two.Cert))
	memory := &kept{}
	w := NewWatch(Service{Java: jre}, nil, memory)
	first, err := w.Trust(now)
	if err != nil || first.Count != 2 || first.Replaced != nil || memory.told != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	if j := first.Judge(tlsprobetest.Certs(leaf), now); !j.Trusted {
		t.Errorf("%+v", j)
	}
	if again, err := w.Trust(now.Add(time.Second)); err != nil || again != first {
		t.Errorf("an unchanged store is read again: %v", err)
	}
	replace := func(certs ...*x509.Certificate) {
		put(t, store+".new", jksOf(certs...))
		if err := os.Rename(store+".new", store); err != nil {
			t.Fatal(err)
		}
	}
	replace(two.Cert, three.Cert)
	if again, err := w.Trust(now.Add(time.Second + 50*time.Millisecond)); err != nil || again != first {
		t.Errorf("within one run of a check the files were looked at twice: %v, %v", again, err)
	}
	second, err := w.Trust(now.Add(2 * time.Second))
	if err != nil || second == first || second.Replaced == nil || memory.told != 2 {
		t.Fatalf("%+v, %v", second, err)
	}
	r := second.Replaced
	if r.Lost != 1 || r.Gained != 1 || r.Gone[0].Subject != "CN=One" || r.Came[0].Subject != "CN=Three" ||
		!r.Held(authorityOf(one.Cert).SHA256) || r.Held(authorityOf(two.Cert).SHA256) {
		t.Errorf("%+v", r)
	}
	j := second.Judge(tlsprobetest.Certs(leaf), now)
	if j.Trusted || !strings.Contains(j.Sentence, "PKIX path building failed") {
		t.Errorf("%+v", j)
	}
	// A restart forgets nothing, and sees what happened meanwhile.
	restarted := NewWatch(Service{Java: jre}, nil, memory)
	if again, err := restarted.Trust(now); err != nil || again.Replaced == nil || again.Replaced.Lost != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	put(t, store, "")
	meanwhile, err := NewWatch(Service{Java: jre}, nil, memory).Trust(now)
	if err == nil || memory.told != 2 {
		t.Errorf("an empty file is a store: %+v", meanwhile)
	}
	if err := os.Remove(store); err != nil {
		t.Fatal(err)
	}
	gone, err := NewWatch(Service{Java: jre}, nil, memory).Trust(now)
	if err != nil || gone.Count != 0 || gone.Replaced.Lost != 2 {
		t.Fatalf("%+v, %v", gone, err)
	}
	if j := gone.Judge(tlsprobetest.Certs(leaf), now); j.Trusted || !strings.Contains(j.Words, "is not there") {
		t.Errorf("%+v", j)
	}
}

// TestJudgeRemembers: a judgement is kept under the bytes of the chain, and not over a date of one of its certificates.
func TestJudgeRemembers(t *testing.T) {
	now := time.Now()
	office := tlsprobetest.Office{Now: now, Name: "localhost"}
	root := office.Issue(t, tlsprobetest.NewKey(t), nil, office.Authority("Root"))
	leaf := office.Issue(t, tlsprobetest.NewKey(t), root, office.Valid(-time.Hour, 3*time.Minute))
	jre := home(t, t.TempDir(), "17.0.1")
	put(t, filepath.Join(jre, "lib/security/cacerts"), jksOf(root.Cert))
	trust, err := NewWatch(Service{Java: jre}, nil, nil).Trust(now)
	if err != nil {
		t.Fatal(err)
	}
	chain := tlsprobetest.Certs(leaf)
	for at, want := range map[time.Duration]bool{0: true, time.Minute: true, 4 * time.Minute: false, -2 * time.Hour: false} {
		if j := trust.Judge(chain, now.Add(at)); j.Trusted != want {
			t.Errorf("after %v: %+v", at, j)
		}
	}
	if len(trust.memory.known) != 1 {
		t.Errorf("%d judgements of one chain", len(trust.memory.known))
	}
	allocated := testing.AllocsPerRun(100, func() { trust.Judge(chain, now) })
	if allocated > 4 {
		t.Errorf("%.0f allocations for a chain that is known", allocated)
	}
	if j := trust.Judge(nil, now); j.Trusted {
		t.Error("no chain is trusted")
	}
}

// TestStoresThatJavaCannotUse: Java trusts nobody by them, and the words say why.
func TestStoresThatJavaCannotUse(t *testing.T) {
	t.Parallel()
	office := tlsprobetest.Office{Now: time.Now(), Name: "localhost"}
	root := office.Issue(t, tlsprobetest.NewKey(t), nil, office.Authority("Root")).Cert
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}))
	for name, test := range map[string]struct {
		text  string
		flags Flags
		words string
	}{
		"empty":    {jksOf(), nil, "has no trusted certificate"},
		"PEM":      {text, nil, "which Java does not read"},
		"password": {jksOf(root), Flags{PropertyTrustStorePassword: "wrong"}, "does not open its trust store"},
		"none":     {jksOf(root), Flags{PropertyTrustStore: "NONE"}, "told to trust no authority"},
		"absent":   {jksOf(root), Flags{PropertyTrustStore: "/nonexistent/x.jks"}, "/nonexistent/x.jks is not there"},
	} {
		jre := home(t, t.TempDir(), "17.0.1")
		put(t, jre+"/lib/security/cacerts", test.text)
		trust, err := read(Machine{Home: jre, Flags: test.flags}, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if j := trust.Judge([]*x509.Certificate{root}, time.Now()); j.Trusted || !strings.Contains(j.Words, test.words) {
			t.Errorf("%s: %+v", name, j)
		}
	}
	jre := home(t, t.TempDir(), "17.0.1")
	put(t, jre+"/lib/security/cacerts", jksOf(root))
	_, err := read(Machine{Home: jre, Flags: Flags{PropertyTrustStoreType: "BCFKS"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "set trust.java to off") {
		t.Errorf("error %v", err)
	}
}
