package netcheck

import (
	"bytes"
	"crypto/x509"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/profile"
)

func likeJava(t *testing.T, s profile.Settings) func() *tlsprobe.Like {
	t.Helper()
	p, err := profile.Of(s)
	if err != nil {
		t.Fatal(err)
	}
	like := tlsprobe.NewLike(p)
	return func() *tlsprobe.Like { return like }
}

func stockJava(feature int) func() *tlsprobe.Like {
	like := tlsprobe.NewLike(profile.Stock(feature))
	return func() *tlsprobe.Like { return like }
}

// deciphering lets a key do the RSA key exchange, too.
func deciphering(c *x509.Certificate) {
	c.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
}

// offerTest is a server, the client that it is shaken hands with like, and what is told.
type offerTest struct {
	name   string
	args   []string // of openssl s_server
	like   func() *tlsprobe.Like
	status check.Status
	cause  check.Cause
	words  string
}

func offerTests(t *testing.T) []offerTest {
	t.Helper()
	java17, java25 := stockJava(17), stockJava(25)
	only12 := likeJava(t, profile.Settings{Feature: 17, ClientProtocols: "TLSv1.2"})
	old := likeJava(t, profile.Settings{Feature: 17})
	return []offerTest{
		{"well", nil, java17, check.OK, "", "TLS 1.3"},
		{"well in 1.2", []string{"-tls1_2"}, java17, check.OK, "", "TLS 1.2"},
		{"RSA key exchange", []string{"-tls1_2", "-cipher", "AES128-SHA"}, java17, check.OK, "", "TLS 1.2"},
		{"RSA key exchange, strict", []string{"-tls1_2", "-cipher", "AES128-SHA"}, java25, check.Fail, check.TLSCipher,
			"the server takes TLS 1.2 with TLS_RSA_WITH_AES_128_CBC_SHA"},
		{"DHE", []string{"-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"}, java17, check.Warn, check.TLSCipher,
			"TLS_DHE_RSA_WITH_AES_256_GCM_SHA384, which Java 17 offers and this probe cannot do: the certificate that it " +
				"shows is in order"},
		{"DHE, like Go", []string{"-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"}, nil, check.Fail, check.TLSCipher,
			"handshake_failure (40); the server takes TLS 1.2 with TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"},
		{"CBC with SHA-384", []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384"}, java17, check.Warn, check.TLSCipher,
			"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384 and the group X25519, which Java 17 offers"},
		{"X448", []string{"-tls1_3", "-groups", "X448"}, java17, check.Warn, check.TLSCipher,
			"TLS 1.3 with TLS_AES_256_GCM_SHA384 and the group x448, which Java 17 offers and this probe cannot do: its " +
				"certificate was not seen"},
		{"X448 in 1.2", []string{"-tls1_2", "-groups", "X448", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, java17, check.Warn,
			check.TLSCipher, "the group x448"},
		{"finite fields", []string{"-tls1_3", "-groups", "ffdhe2048"}, java17, check.Warn, check.TLSCipher, "ffdhe2048"},
		{"Camellia", []string{"-tls1_2", "-cipher", "ECDHE-RSA-CAMELLIA128-SHA256"}, java17, check.Fail, check.TLSCipher,
			"the server takes TLS 1.2 with 0xC076"},
		{"1.3 alone", []string{"-tls1_3"}, only12, check.Fail, check.TLSVersion,
			"protocol_version (70); the server takes TLS 1.3 with TLS_AES_128_GCM_SHA256 and the group X25519, and that " +
				"version is not offered"},
		{"1.1", []string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, java17, check.Fail, check.TLSLegacy, "than TLS 1.1"},
		{"1.1, and an old Java", []string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}, old, check.Fail, check.TLSLegacy,
			"newer than TLS 1.1, which Java 17 takes all the same"},
	}
}

// TestTLSLike: what the service's own client would meet, also where this probe cannot do what that offers.
func TestTLSLike(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	chain := []*paper{sign(t, newRSAKey(t, 2048), r.intermediate, deciphering), r.intermediate}
	for _, test := range offerTests(t) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			target := localTarget(startOpenSSL(t, chain, test.args...), r.roots)
			target.Like = test.like
			expectResult(t, target, test.status, test.cause, test.words, "tls")
		})
	}
}

// TestTLSLikeCertificate: what the service would refuse is told, though this probe cannot shake hands.
func TestTLSLikeCertificate(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	stale := sign(t, newRSAKey(t, 2048), r.intermediate, lasting(-90*oneDay, -3*oneDay))
	port := startOpenSSL(t, []*paper{stale, r.intermediate}, "-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384")
	target := localTarget(port, r.roots)
	target.Like = stockJava(17)
	result := expectResult(t, target, check.Fail, check.CertExpired, "expired on", "tls")
	evidence, ok := result.Evidence.(*TLSEvidence)
	if !ok || evidence.Suite != "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384" || len(evidence.Certificates) < 2 {
		t.Errorf("evidence %+v", result.Evidence)
	}
}

// TestTLSLikeAgrees has the real virtual machine shake hands with the same servers: it gets through where the check is
// well or warns, and nowhere else.
func TestTLSLikeAgrees(t *testing.T) {
	t.Parallel()
	java := needProgram(t, "java")
	r := newRegistry(t)
	chain := []*paper{sign(t, newRSAKey(t, 2048), r.intermediate, deciphering), r.intermediate}
	java17 := stockJava(17)
	var tests []offerTest
	args := []string{"-XX:TieredStopAtLevel=1", "testdata/Connect.java"}
	for _, test := range offerTests(t) {
		if test.like != nil && test.like().Profile().Name == "Java 17" {
			test.like = java17
			tests = append(tests, test)
			args = append(args, strconv.Itoa(int(startOpenSSL(t, chain, test.args...))))
		}
	}
	out, err := exec.CommandContext(t.Context(), java, args...).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(string(bytes.TrimSpace(out)), "\n")
	if len(lines) != len(tests) {
		t.Fatalf("java said %s", out)
	}
	for i, test := range tests {
		port, err := strconv.Atoi(args[i+2])
		if err != nil {
			t.Fatal(err)
		}
		target := localTarget(uint16(port), r.roots)
		target.Like = java17
		result := TLS(target)(withTimeout(t, oneDay))
		through := result.Status == check.OK || result.Status == check.Warn
		if through != strings.HasPrefix(lines[i], "through") {
			t.Errorf("%s: the check says %s %s, java %s", test.name, result.Status, result.Detail, lines[i])
		}
	}
}

// TestTLSLikeUnoffered: crypto/tls cannot leave out a suite of TLS 1.3. A server that takes one which the service's own
// client does not offer is asked whether it takes another.
func TestTLSLikeUnoffered(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	chain := []*paper{r.leaf(t), r.intermediate}
	const chacha = "TLS_CHACHA20_POLY1305_SHA256"
	ports := startNginx(t, map[string][]*paper{"preferred": chain, "alone": chain}, map[string]string{
		"preferred": "ssl_prefer_server_ciphers on; ssl_conf_command Ciphersuites " + chacha + ":TLS_AES_128_GCM_SHA256;",
		"alone":     "ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites " + chacha + ";",
	})
	for name, port := range ports {
		target := localTarget(port, r.roots)
		target.Like = stockJava(11)
		if name == "preferred" {
			result := expectResult(t, target, check.OK, "", "TLS 1.3", "tls")
			if evidence, ok := result.Evidence.(*TLSEvidence); !ok || evidence.Suite != chacha {
				t.Errorf("the second look was not needed: %+v", result.Evidence)
			}
			continue
		}
		expectResult(t, target, check.Fail, check.TLSCipher, "handshake_failure (40), for Java 11: it takes TLS 1.3 with "+
			chacha+" and the group X25519, which that does not offer", "tls")
	}
}

// TestTLSLikeTimeout: the small ClientHello is not taken for one that was dropped for its size.
func TestTLSLikeTimeout(t *testing.T) {
	t.Parallel()
	target := localTarget(startTCP(t, untilClosed), tlsprobe.NewRoots(&x509.Certificate{}))
	target.Like = stockJava(17)
	if r := TLS(target)(withTimeout(t, 500*time.Millisecond)); r.Cause != check.TLSTimeout {
		t.Errorf("%s %s: %s", r.Status, r.Cause, r.Detail)
	}
}
