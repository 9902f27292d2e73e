package profile

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                      nil,
		" , ":                                   nil,
		`"MD2, MD5"`:                            {"MD2", "MD5"},
		"RSA keySize < 1024":                    {"RSA keySize < 1024"},
		"RSA  keySize  <=  1024 ":               {"RSA keySize <= 1024"},
		"SHA1 jdkCA & usage TLSServer":          {"SHA1 jdkCA & usage TLSServer"},
		"TLS_RSA_*":                             {"TLS_RSA_*"},
		"X9.62 c2tnb191v1, secp112r1":           {"X9.62 c2tnb191v1", "secp112r1"},
		"include jdk.disabled.namedCurves, RC4": {"secp160k1", "RC4"},
		"Include JDK.disabled.namedcurves":      {"secp160k1"},
		"rsa_pkcs1_sha1 usage HandshakeSignature": {"rsa_pkcs1_sha1 usage HandshakeSignature"},
		"SHA1 usage SignedJAR TLSServer & denyAfter 2019-01-01": {
			"SHA1 usage SignedJAR TLSServer & denyAfter 2019-01-01"},
		"DSA keySize > 512 & keySize != 1024": {"DSA keySize > 512 & keySize != 1024"},
	} {
		rules, err := Parse(text, map[string]string{"jdk.disabled.namedcurves": "secp160k1"})
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		var got []string
		for _, r := range rules {
			got = append(got, r.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestParseErrors: what cannot be read is named, and the rest stands.
func TestParseErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"RSA keySize":                             `"RSA keySize": the condition "keySize" is unknown`,
		"RSA keySize ~ 1":                         "an operator such as <",
		"RSA keySize < many":                      `a number of bits, not "many"`,
		"RSA keySize < -1":                        `a number of bits, not "-1"`,
		"SHA1 jdkCA & jdkCA":                      `the condition "jdkCA" is unknown`,
		"SHA1 denyAfter tomorrow":                 `such as 2030-01-31, not "tomorrow"`,
		"SHA1 & jdkCA":                            "a condition is missing",
		"MD5 sometimes\u202e":                     `"sometimes\u202e"`,
		"include jdk.disabled.namedCurves and on": "is unknown",
		strings.Repeat("x", maxText+1):            "longer than 65536 bytes",
	} {
		rules, err := Parse("RC4,"+text, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: error %v, want %q", text, err, want)
		}
		if len(text) < maxText && (len(rules) != 1 || rules[0].Algorithm != "RC4") {
			t.Errorf("%q: rules %v", text, rules)
		}
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	p, err := Of(Settings{
		Feature: 17, TLSDisabled: "MD5withRSA, EC keySize < 384",
		CertPathDisabled: "MD2, SHA1 jdkCA & usage TLSServer, RSA keySize < 2048, SHA224 denyAfter 2020-01-01, " +
			"SHA512 usage SignedJAR",
	})
	if err != nil || p.MinimumRSABits != 2048 {
		t.Fatalf("%v, minimum %d", err, p.MinimumRSABits)
	}
	day := func(year int) time.Time { return time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC) }
	for _, test := range []struct {
		use  Use
		want string
	}{
		{Use{Signature: "SHA256withRSA", Key: "RSA", Bits: 2048}, ""},
		{Use{Signature: "SHA256withRSA", Key: "RSA", Bits: 2047}, "RSA keySize < 2048"},
		{Use{Signature: "SHA256withRSA", Key: "EC", Bits: 256, Curve: "secp256r1"}, "EC keySize < 384"},
		{Use{Signature: "SHA384withECDSA", Key: "EC", Bits: 384}, ""},
		{Use{Signature: "SHA1withRSA", Key: "RSA", Bits: 4096}, ""},
		{Use{Signature: "SHA1withRSA", Key: "RSA", Bits: 4096, JDKCA: true}, "SHA1 jdkCA & usage TLSServer"},
		{Use{Signature: "MD2withRSA", Key: "RSA", Bits: 4096}, "MD2"},
		{Use{Signature: "MD5withRSA", Key: "RSA", Bits: 4096}, "MD5withRSA"},
		{Use{Signature: "SHA224withRSA", Key: "RSA", Bits: 4096, Time: day(2019)}, ""},
		{Use{Signature: "SHA224withRSA", Key: "RSA", Bits: 4096, Time: day(2021)}, "SHA224 denyAfter 2020-01-01"},
		{Use{Signature: "SHA512withRSA", Key: "RSA", Bits: 4096}, ""},
	} {
		rule, denied := p.Denied(test.use)
		if denied != (test.want != "") || rule.String() != test.want {
			t.Errorf("%+v: %q, want %q", test.use, rule, test.want)
		}
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"TLS_RSA_*", "TLS_RSA_WITH_AES_128_CBC_SHA", true}, {"TLS_RSA_*", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", false},
		{"TLS_*_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA", true}, {"TLS_*_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA256", false},
		{"TLS_*_WITH_*_SHA", "TLS_RSA_WITH_AES_128_CBC_SHA", true},
		{"TLS_*CAMELLIA*", "TLS_RSA_WITH_AES_128_CBC_SHA", false},
		{"*", "TLS_RSA_WITH_AES_128_CBC_SHA", false}, {"TLS_RSA", "TLS_RSA_WITH_AES_128_CBC_SHA", false},
	} {
		if got := matches(test.pattern, test.name); got != test.want {
			t.Errorf("%s, %s: %t", test.pattern, test.name, got)
		}
	}
}

// TestOld: what older releases lack, and what nobody knows.
func TestOld(t *testing.T) {
	t.Parallel()
	eight := Stock(8)
	if slices.Contains(eight.Suites, 0x1303) || eight.Groups[0] != 0x17 || slices.Contains(eight.Signatures, 0x0807) {
		t.Errorf("Java 8: %+v", eight)
	}
	eleven := Stock(11)
	if eleven.Groups[0] != 0x1d || slices.Contains(eleven.Suites, 0xcca9) || eleven.MinimumRSABits != 1024 {
		t.Errorf("Java 11: %+v", eleven)
	}
	p, err := Of(Settings{ClientProtocols: "TLSv1.3,TLSv9", NamedGroups: `"x25519, brand-new"`, HTTPSProtocols: ""})
	if err != nil || !slices.Equal(p.Unknown, []string{"TLSv9", "brand-new"}) || p.Name != "Java 17" ||
		!slices.Equal(p.Versions, []uint16{tls13}) || len(p.Suites) != 3 || !slices.Equal(p.Groups, []uint16{0x1d}) {
		t.Errorf("%v: %+v", err, p)
	}
	if SuiteName(0x9e) != "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256" || SuiteName(0) != "" {
		t.Error(SuiteName(0x9e), SuiteName(0))
	}
}

// FuzzParse: whatever an administrator wrote, reading it ends, and what was read reads the same again.
func FuzzParse(f *testing.F) {
	f.Add("MD2, SHA1 jdkCA & usage TLSServer, RSA keySize < 1024, include jdk.disabled.namedCurves")
	f.Add("\"X9.62 c2tnb191v1, TLS_RSA_*, SHA1 denyAfter 2019-01-01\"")
	f.Fuzz(func(t *testing.T, text string) {
		rules, _ := Parse(text, map[string]string{"x": text})
		for _, r := range rules {
			again, err := Parse(r.String(), nil)
			if err != nil || len(again) != 1 || again[0].String() != r.String() {
				t.Errorf("%q reads as %v, %v", r, again, err)
			}
		}
		p, _ := Of(Settings{
			Feature: len(text) % 30, TLSDisabled: text, ClientSuites: text, NamedGroups: text, ClientProtocols: text,
		})
		if len(p.Suites) > len(javaSuites()) {
			t.Errorf("%d suites", len(p.Suites))
		}
	})
}
