package dnssec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestRootAnchors holds that the built-in digests are those of the keys that Debian ships (dns-root-data).
func TestRootAnchors(t *testing.T) {
	ours := RootAnchors().zones[root]
	if len(ours) != 2 || ours[0].KeyTag != 20326 || ours[1].KeyTag != 38696 {
		t.Fatalf("the root's anchors are %v", ours)
	}
	theirs, err := ReadAnchors("/usr/share/dns/root.key")
	if err != nil {
		if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for i, ds := range theirs.zones[root] {
		if i < len(ours) && (ds.KeyTag != ours[i].KeyTag || !sameHex(ds.Digest, ours[i].Digest)) {
			t.Errorf("built in %s, shipped %s", ours[i], ds)
		}
	}
}

// TestReadAnchors holds which files are taken.
func TestReadAnchors(t *testing.T) {
	const ds = ". 3600 IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
	for name, c := range map[string]struct{ content, fails string }{
		"ds":          {ds, ""},
		"comments":    {"; of the year\n" + strings.ReplaceAll(ds, " 3600", ""), ""},
		"none":        {"; nothing\n", "no DS nor DNSKEY record"},
		"another":     {". 3600 IN NS a.\n", ". NS: only DS and DNSKEY records"},
		"garbage":     {"what is this\n", "dns:"},
		"unsupported": {strings.ReplaceAll(ds, " 8 2 ", " 16 2 "), "ED448 with SHA256 cannot be checked"},
		"many":        {strings.Repeat(ds, maxAnchors+1), "more than 64 records"},
		"large":       {strings.Repeat("; filling\n", maxAnchorsSize/10+1), "more than 65536 octets"},
		"include":     {"$INCLUDE /etc/passwd\n", "dns:"},
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadAnchors(path)
		if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
			t.Errorf("%s: %v, want %q", name, err, c.fails)
		}
	}
	if _, err := ReadAnchors(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a file that is not there is read")
	}
}

// TestSerialTimes holds that times of signatures are read from where now is, also around the wrap in 2106.
func TestSerialTimes(t *testing.T) {
	wrap := time.Unix(1<<32, 0)
	sig := &dns.RRSIG{Inception: 0xffffff00, Expiration: 0x100}
	for at, want := range map[time.Duration]bool{-257 * time.Second: false, -256 * time.Second: true, 0: true,
		256*time.Second + 900*time.Millisecond: true, 257 * time.Second: false} {
		if got := timely(sig, wrap.Add(at)); got != want {
			t.Errorf("%s from the wrap: timely is %v", at, got)
		}
	}
	if got := expiration(sig, wrap); !got.Equal(wrap.Add(256 * time.Second)) {
		t.Errorf("it ends at %s", got)
	}
}

// TestCanonicalOrder is the example of RFC 4034 section 6.1.
func TestCanonicalOrder(t *testing.T) {
	ordered := []string{"example.", "a.example.", "yljkjljk.a.example.", "Z.a.example.", "zABC.a.EXAMPLE.", "z.example.",
		`\001.z.example.`, "*.z.example.", `\200.z.example.`}
	for i := range ordered {
		for j := range ordered {
			a, err := nameOf(ordered[i])
			b, err2 := nameOf(ordered[j])
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			if got := compareNames(a, b); got != min(1, max(-1, i-j)) {
				t.Errorf("%s to %s: %d", a, b, got)
			}
		}
	}
}

// TestNSEC3Hash is the example of RFC 5155 appendix A.
func TestNSEC3Hash(t *testing.T) {
	d := &denial{zone: "\x07example\x00", budget: new(budget),
		nsec3: []nsec3{{iterations: 12, salt: "\xaa\xbb\xcc\xdd"}}}
	for text, want := range map[string]string{"example.": "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom",
		"*.w.example.": "r53bq7cc2uvmubfu5ocmm6pers9tk9en"} {
		n, err := nameOf(text)
		if err != nil {
			t.Fatal(err)
		}
		expected, _ := hashOf(want)
		if got, ok := d.hash(n); !ok || got != expected {
			t.Errorf("%s: %x, want %x", text, got, expected)
		}
	}
}
