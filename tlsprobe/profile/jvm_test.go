package profile

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// machine is an installed Java virtual machine.
type machine struct {
	home    string
	feature int
	stock   string // its java.security
}

// machines are those that are installed; without any the test cannot run.
func machines(t *testing.T) []machine {
	t.Helper()
	programs, err := filepath.Glob("/usr/lib/jvm/*/bin/java")
	if err != nil {
		t.Fatal(err)
	}
	var all []machine
	for _, program := range programs {
		home, err := filepath.EvalSymlinks(filepath.Dir(filepath.Dir(program)))
		if err != nil || slices.ContainsFunc(all, func(m machine) bool { return m.home == home }) {
			continue
		}
		release, err := os.ReadFile(filepath.Join(home, "release"))
		if err != nil {
			continue
		}
		version := regexp.MustCompile(`JAVA_VERSION="(\d+)`).FindSubmatch(release)
		stock, err := os.ReadFile(filepath.Join(home, "conf/security/java.security"))
		if err != nil || version == nil {
			continue
		}
		feature, err := strconv.Atoi(string(version[1]))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, machine{home, feature, string(stock)})
	}
	if len(all) == 0 {
		if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
			t.Fatal("no Java is installed below /usr/lib/jvm: mend that, or run the tests without SALLYPORT_TEST_FULL=1")
		}
		t.Skip("no Java is installed below /usr/lib/jvm")
	}
	return all
}

// property is a security property as the file has it, its lines joined.
func (m machine) property(name string) string {
	text := strings.ReplaceAll(m.stock, "\\\n", " ")
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `\s*=(.*)$`).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1]
}

func (m machine) settings() Settings {
	return Settings{
		Feature: m.feature, TLSDisabled: m.property("jdk.tls.disabledAlgorithms"),
		CertPathDisabled: m.property("jdk.certpath.disabledAlgorithms"),
		DisabledCurves:   m.property("jdk.disabled.namedCurves"),
	}
}

// hello is what the virtual machine really says in a ClientHello.
func (m machine) hello(t *testing.T, flags ...string) *tls.ClientHelloInfo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	heard := make(chan *tls.ClientHelloInfo, 1)
	go func() {
		defer close(heard)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		config := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			heard <- hello
			return nil, errors.New("that was all")
		}}
		_ = tls.Server(conn, config).Handshake()
	}()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	args := append(append([]string{"-Xshare:auto", "-XX:TieredStopAtLevel=1"}, flags...), "testdata/Hello.java", port)
	out, err := exec.CommandContext(t.Context(), filepath.Join(m.home, "bin/java"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_ = listener.Close()
	hello := <-heard
	if hello == nil {
		t.Fatalf("no ClientHello came: %s", out)
	}
	return hello
}

// TestRealMachines: what the profile says is what each installed virtual machine really offers, to the last entry and in
// its order, as delivered, with flags, and with properties of its own.
func TestRealMachines(t *testing.T) {
	t.Parallel()
	for _, m := range machines(t) {
		name := strconv.Itoa(m.feature)
		t.Run(name+" as delivered", func(t *testing.T) {
			t.Parallel()
			p, err := Of(m.settings())
			if err != nil {
				t.Fatal(err)
			}
			expectHello(t, p, m.hello(t))
			stock := Stock(m.feature)
			stock.Rules, p.Rules = nil, nil // delivered with some that are not about servers
			if !reflect.DeepEqual(stock, p) {
				t.Errorf("stock %+v\nbut it has %+v", stock, p)
			}
		})
		t.Run(name+" with flags", func(t *testing.T) {
			t.Parallel()
			s := m.settings()
			s.ClientProtocols, s.NamedGroups = "TLSv1.2", "secp384r1,x448"
			s.ClientSuites = "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,TLS_AES_128_GCM_SHA256,TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"
			p, err := Of(s)
			if err != nil {
				t.Fatal(err)
			}
			expectHello(t, p, m.hello(t, "-Djdk.tls.client.protocols="+s.ClientProtocols,
				"-Djdk.tls.client.cipherSuites="+s.ClientSuites, "-Djdk.tls.namedGroups="+s.NamedGroups))
		})
		t.Run(name+" with properties", func(t *testing.T) {
			t.Parallel()
			s := m.settings()
			s.TLSDisabled = "SSLv3, TLSv1, CBC, DHE, EC keySize < 384, secp521r1, DH keySize < 3072, SHA-1"
			file := filepath.Join(t.TempDir(), "java.security")
			if err := os.WriteFile(file, []byte("jdk.tls.disabledAlgorithms="+s.TLSDisabled+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := Of(s)
			if err != nil {
				t.Fatal(err)
			}
			expectHello(t, p, m.hello(t, "-Djava.security.properties="+file))
		})
	}
}

func expectHello(t *testing.T, p Profile, hello *tls.ClientHelloInfo) {
	t.Helper()
	const renegotiation = 0x00ff // TLS_EMPTY_RENEGOTIATION_INFO_SCSV
	suites := slices.DeleteFunc(slices.Clone(hello.CipherSuites), func(id uint16) bool { return id == renegotiation })
	if !slices.Equal(suites, p.Suites) {
		t.Errorf("suites %x\nthe real ones %x", p.Suites, suites)
	}
	if !slices.Equal(hello.SupportedVersions, p.Versions) {
		t.Errorf("versions %x, the real ones %x", p.Versions, hello.SupportedVersions)
	}
	var groups, schemes []uint16
	for _, g := range hello.SupportedCurves {
		groups = append(groups, uint16(g))
	}
	for _, s := range hello.SignatureSchemes {
		schemes = append(schemes, uint16(s))
	}
	if !slices.Equal(groups, p.Groups) {
		t.Errorf("groups %x, the real ones %x", p.Groups, groups)
	}
	if !slices.Equal(schemes, p.Signatures) {
		t.Errorf("signatures %x\nthe real ones %x", p.Signatures, schemes)
	}
}
