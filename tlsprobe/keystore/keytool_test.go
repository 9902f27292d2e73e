package keystore

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/tlsprobe/tlsprobetest"
)

const password = "geheim-1"

// needProgram is the path of a program that the test needs.
func needProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("SALLYPORT_TEST_FULL") == "1":
		t.Fatalf("%s is not installed", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

func execute(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), needProgram(t, name), args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// keytool runs the real one, without the compiler that a short run does not need.
func keytool(t *testing.T, args ...string) {
	t.Helper()
	execute(t, "keytool", append([]string{"-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"}, args...)...)
}

// folderOfStores is what the real keytool writes: three trusted certificates, one of them expired, one of them twice,
// under aliases of every kind, and a private key, in a JKS file; and the same in each form of PKCS #12.
func folderOfStores(t *testing.T) (folder string, trusted []*x509.Certificate) {
	t.Helper()
	folder = t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	office := tlsprobetest.Office{Now: time.Now(), Name: "localhost"}
	one := office.Issue(t, tlsprobetest.NewKey(t), nil, office.Authority("One"))
	two := office.Issue(t, tlsprobetest.NewRSAKey(t, 2048), nil, office.Authority("Two"))
	stale := office.Issue(t, tlsprobetest.NewKey(t), nil, office.Authority("Stale"),
		office.Valid(-400*tlsprobetest.Day, -tlsprobetest.Day))
	common := []string{"-keystore", in("jks"), "-storetype", "JKS", "-storepass", password}
	keytool(t, append([]string{"-genkeypair", "-alias", "mine", "-keyalg", "EC", "-dname", "CN=Mine", "-keypass", password},
		common...)...)
	for alias, paper := range map[string]*tlsprobetest.Paper{
		"one": one, "one again": one, "b\u202eidi\x1b[2J é𝄞": two, "stale": stale,
	} {
		file := in("paper.pem")
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: paper.Cert.Raw})
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		keytool(t, append([]string{"-J-Dsun.jnu.encoding=UTF-8", "-importcert", "-noprompt", "-alias", alias, "-file", file},
			common...)...)
	}
	for name, flags := range map[string][]string{
		"modern": nil, "legacy": {"-J-Dkeystore.pkcs12.legacy"},
		"open": {"-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE", "-J-Dkeystore.pkcs12.macAlgorithm=NONE"},
		"3des": {"-J-Dkeystore.pkcs12.certProtectionAlgorithm=PBEWithSHA1AndDESede",
			"-J-Dkeystore.pkcs12.macAlgorithm=HmacPBESHA1"},
		"512": {"-J-Dkeystore.pkcs12.certProtectionAlgorithm=PBEWithHmacSHA512AndAES_128",
			"-J-Dkeystore.pkcs12.macAlgorithm=HmacPBESHA512"},
	} {
		keytool(t, append(flags, "-importkeystore", "-noprompt", "-srckeystore", in("jks"), "-srcstorepass", password,
			"-destkeystore", in(name), "-deststoretype", "PKCS12", "-deststorepass", password)...)
	}
	keytool(t, "-importkeystore", "-noprompt", "-srckeystore", in("jks"), "-srcstorepass", password,
		"-destkeystore", in("jceks"), "-deststoretype", "JCEKS", "-deststorepass", password)
	// OpenSSL writes certificates without the mark that makes Java trust them.
	execute(t, "openssl", "pkcs12", "-export", "-nokeys", "-in", in("paper.pem"), "-out", in("unmarked"),
		"-passout", "pass:"+password)
	return folder, []*x509.Certificate{one.Cert, two.Cert, stale.Cert}
}

// TestStoresOfKeytool holds that every form of a store is read, and that what is found trusted in it is what the real
// Java trusts because of it, with the password, with a wrong one, and without any.
func TestStoresOfKeytool(t *testing.T) {
	t.Parallel()
	folder, trusted := folderOfStores(t)
	var args []string
	var got []string
	for _, name := range []string{"jks", "modern", "legacy", "open", "3des", "512", "unmarked"} {
		for _, word := range []string{password, "wrong", "-"} {
			path := filepath.Join(folder, name)
			args = append(args, path, word)
			got = append(got, fmt.Sprintf("%s %s: %s", name, word, sums(t, path, word)))
		}
	}
	java := issuers(t, args)
	for i, line := range got {
		name, _, _ := strings.Cut(line, ": ")
		if want := name + ": " + java[fmt.Sprint(i)]; line != want {
			t.Errorf("we trust   %s\nJava trusts %s", line, want)
		}
	}
	for _, name := range []string{"jks", "modern", "legacy", "open", "3des", "512"} {
		s, err := Read(filepath.Join(folder, name), Options{Passwords: []string{"wrong", password}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var aliases []string
		keys := 0
		for _, e := range s.Entries {
			aliases = append(aliases, e.Alias)
			if e.Key {
				keys++
			}
			if !e.Key && !slices.ContainsFunc(trusted, e.Certificate.Equal) {
				t.Errorf("%s: %s is nobody's", name, e.Certificate.Subject)
			}
		}
		slices.Sort(aliases)
		if len(aliases) != 5 || keys != 1 || !slices.Contains(aliases, "one again") || !slices.Contains(aliases, "stale") {
			t.Errorf("%s: aliases %q, %d keys", name, aliases, keys)
		}
	}
}

// sums is what we trust, in the words of issuers.
func sums(t *testing.T, path, word string) string {
	t.Helper()
	o := Options{Passwords: []string{word}}
	if word == "-" {
		o = Options{Unchecked: true}
	}
	s, err := Read(path, o)
	if err != nil {
		if !strings.Contains(err.Error(), path) || !errors.Is(err, ErrPassword) {
			t.Errorf("error %v, want the file and the password", err)
		}
		return "refused"
	}
	var all []string
	for _, cert := range s.Certificates() {
		sum := sha256.Sum256(cert.Raw)
		all = append(all, hex.EncodeToString(sum[:]))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// issuers asks the real Java, in one run for all.
func issuers(t *testing.T, args []string) map[string]string {
	t.Helper()
	said := map[string][]string{}
	for line := range strings.Lines(execute(t, "java", append([]string{"testdata/Issuers.java"}, args...)...)) {
		number, what, _ := strings.Cut(strings.TrimSpace(line), " ")
		said[number] = append(said[number], what)
	}
	joined := map[string]string{}
	for number, sums := range said {
		slices.Sort(sums)
		joined[number] = strings.Join(slices.Compact(sums), " ")
	}
	return joined
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"empty":   {nil, "it is empty"},
		"jceks":   {append([]byte{0xCE, 0xCE, 0xCE, 0xCE}, make([]byte, 99)...), "-srcstoretype JCEKS"},
		"dks":     {[]byte("domain app1 { keystore x; };"), "DKS"},
		"bcfks":   {append([]byte{0x30, 0x82, 1, 0, 0x30}, make([]byte, 99)...), "-srcstoretype BCFKS"},
		"text":    {[]byte("hello"), "neither JKS nor PKCS #12 nor PEM"},
		"cut":     {append(jksMagic(), 0, 0, 0, 2, 0, 0, 0, 9), "cut off"},
		"version": {append(append(jksMagic(), 0, 0, 0, 9), make([]byte, 40)...), "version 9"},
		"many":    {append(append(jksMagic(), 0, 0, 0, 2, 0, 1, 0, 0), make([]byte, 40)...), "more than 10000 entries"},
		"short":   {append(append(jksMagic(), 0, 0, 0, 2, 0, 0, 1, 0), make([]byte, 40)...), "cut off"},
		"pfx":     {append([]byte{0x30, 0x82, 0x04, 0x00, 0x02, 0x01, 0x03}, make([]byte, 64)...), "no sound PKCS #12"},
		"huge":    {bytes.Repeat([]byte("x"), MaxBytes+1), "larger than 32 MiB"},
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, test.data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Read(path, Options{Unchecked: true})
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want %q and the path", name, err, test.want)
		}
	}
	for _, path := range []string{folder, filepath.Join(folder, "gone")} {
		if _, err := Read(path, Options{}); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}

// FuzzParse holds that no file makes the reader panic, or take memory that the file does not have.
func FuzzParse(f *testing.F) {
	office := tlsprobetest.Office{Now: time.Now(), Name: "localhost"}
	cert := office.Issue(f, tlsprobetest.NewKey(f), nil, office.Authority("One")).Cert
	f.Add(jksOf(cert.Raw))
	f.Add(pfxOf(cert.Raw))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	f.Add(append(jksMagic(), bytes.Repeat([]byte{0xFF}, 64)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			t.Skip()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s, err := Parse(data, Options{Unchecked: true})
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; (s == nil) == (err == nil) || took > 64<<20 {
			t.Errorf("store %v, error %v, %d bytes", s, err, took)
		}
	})
}
