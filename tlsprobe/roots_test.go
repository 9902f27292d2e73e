package tlsprobe

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func pemOf(certs ...*issued) []byte {
	var data bytes.Buffer
	for _, one := range certs {
		data.WriteString("# a comment\n")
		data.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: one.Cert.Raw}))
	}
	return data.Bytes()
}

func write1(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadRoots(t *testing.T) {
	t.Parallel()
	one, two := issue(t, nil, authority("One")), issue(t, nil, authority("Two"))
	folder, file := t.TempDir(), write1(t, filepath.Join(t.TempDir(), "both.pem"), pemOf(one, two, one))
	write1(t, filepath.Join(folder, "one.crt"), pemOf(one))
	write1(t, filepath.Join(folder, "README"), []byte("no certificate"))
	if err := os.Symlink("one.crt", filepath.Join(folder, "a1b2c3d4.0")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("gone", filepath.Join(folder, "dangling")); err != nil {
		t.Fatal(err)
	}
	for want, sources := range map[int][]string{1: {folder}, 2: {folder, file, folder}} {
		roots, err := LoadRoots(sources)
		if err != nil || roots.Len() != want {
			t.Errorf("%v: %d roots, error %v, want %d", sources, roots.Len(), err, want)
		}
	}
	if (*Roots)(nil).Len() != 0 {
		t.Error("no roots are more than none")
	}
	// A certificate that cannot be read is passed by where others can.
	broken := append(pemOf(one), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})...)
	path := write1(t, filepath.Join(t.TempDir(), "b.pem"), broken)
	if roots, err := LoadRoots([]string{path}); err != nil || roots.Len() != 1 {
		t.Errorf("beside a broken one: %d roots, error %v", roots.Len(), err)
	}
}

func TestLoadRootsRefuses(t *testing.T) {
	t.Parallel()
	one := issue(t, nil, authority("One"))
	pkcs12 := append([]byte{0x30, 0x82, 0x04, 0x00, 0x02, 0x01, 0x03}, make([]byte, 64)...)
	huge := bytes.Repeat([]byte("x"), maxRootsFile+1)
	broken := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"cacerts.jks":   {append([]byte{0xFE, 0xED, 0xFE, 0xED}, make([]byte, 99)...), "give its password"},
		"cacerts.jceks": {append([]byte{0xCE, 0xCE, 0xCE, 0xCE}, make([]byte, 99)...), "is a Java JCEKS key store"},
		"cacerts":       {pkcs12, "no sound PKCS #12 file"},
		"one.der":       {one.Cert.Raw, "is a DER certificate: convert it to PEM"},
		"empty":         {nil, "no CERTIFICATE block"},
		"key.pem":       {key, "no CERTIFICATE block"},
		"broken.pem":    {broken, "none of its certificates can be read"},
		"huge":          {huge, "larger than 32 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			path := write1(t, filepath.Join(folder, name), test.data)
			_, err := LoadRoots([]string{path})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %q and the path", err, test.want)
			}
			if _, err := LoadRoots([]string{folder}); err == nil {
				t.Error("a folder of nothing else is taken")
			}
		})
	}
	for _, sources := range [][]string{nil, {"/nonexistent/roots.pem"}, {t.TempDir()}} {
		if _, err := LoadRoots(sources); err == nil {
			t.Errorf("%v: no error", sources)
		}
	}
}

// TestLoadRootsOfJava reads a store that only its password opens.
func TestLoadRootsOfJava(t *testing.T) {
	t.Parallel()
	one := issue(t, nil, authority("One"))
	store := []byte("\xFE\xED\xFE\xED\x00\x00\x00\x01\x00\x00\x00\x01" +
		"\x00\x00\x00\x02\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x00")
	store = append(binary.BigEndian.AppendUint32(store, uint32(len(one.Cert.Raw))), one.Cert.Raw...)
	digest := sha1.Sum(append([]byte("\x00p\x00wMighty Aphrodite"), store...))
	path := write1(t, filepath.Join(t.TempDir(), "cacerts"), append(store, digest[:]...))
	if roots, err := LoadRoots([]string{path}, "pw"); err != nil || roots.Len() != 1 || !roots.holds(one.Cert) {
		t.Errorf("%d roots, error %v", roots.Len(), err)
	}
	if _, err := LoadRoots([]string{path}); err == nil || !strings.Contains(err.Error(), "trust.password_file") {
		t.Errorf("without the password: error %v", err)
	}
}

// TestLoadRootsSystem sets the environment, and so cannot be parallel.
func TestLoadRootsSystem(t *testing.T) {
	one, two := issue(t, nil, authority("One")), issue(t, nil, authority("Two"))
	folder := t.TempDir()
	write1(t, filepath.Join(folder, "two.pem"), pemOf(two))
	t.Setenv("SSL_CERT_FILE", write1(t, filepath.Join(t.TempDir(), "bundle.pem"), pemOf(one)))
	t.Setenv("SSL_CERT_DIR", "/nonexistent:"+folder)
	if roots, err := LoadRoots([]string{"system"}); err != nil || roots.Len() != 2 {
		t.Errorf("%d roots, error %v, want the bundle's and the folder's", roots.Len(), err)
	}
	t.Setenv("SSL_CERT_FILE", "/nonexistent")
	t.Setenv("SSL_CERT_DIR", t.TempDir())
	if _, err := LoadRoots([]string{"system"}); err == nil || !strings.Contains(err.Error(), "ca-certificates") {
		t.Errorf("error %v, want the package to install", err)
	}
}
