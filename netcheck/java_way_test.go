package netcheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe/jvm"
)

// withProperties is a Java home like another, with a net.properties of its own.
func withProperties(t *testing.T, like, text string) string {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"lib", "release", "bin"} {
		if err := os.Symlink(filepath.Join(like, name), filepath.Join(home, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(home, "conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(like, "conf/security"), filepath.Join(home, "conf/security")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(home, "conf/net.properties"), text)
	return home
}

// allowingBasic is one that authenticates by Basic.
func allowingBasic(t *testing.T, like string) string {
	t.Helper()
	return withProperties(t, like, "jdk.http.auth.tunneling.disabledSchemes=\n")
}

// TestOtherWay: a check that goes on another way than the service says so, and none other does.
func TestOtherWay(t *testing.T) {
	t.Parallel()
	ours, other := &Proxy{Host: "Proxy.test", Port: 3128}, &Proxy{Host: "other.test", Port: 3128}
	proxied := jvm.Way{Proxy: "proxy.test:3128", Seen: true}
	for name, test := range map[string]struct {
		java jvm.Way
		ours *Proxy
		want string // its parts, in order, with … between them; empty: nothing
	}{
		"none, none":       {jvm.Way{Seen: true}, nil, ""},
		"none, not known":  {jvm.Way{}, ours, ""},
		"the same":         {proxied, ours, ""},
		"Java alone":       {proxied, nil, "for HTTPS, …proxy.test:3128 (https.proxyHost), …and this check does not"},
		"this check alone": {jvm.Way{Seen: true}, ours, "the service's Java was started without…through Proxy.test:3128"},
		"two":              {proxied, other, "for HTTPS, …proxy.test:3128 (…, and this check through other.test:3128"},
		"hostile": {jvm.Way{Proxy: "\x1b[2Jproxy.test:3128"}, nil,
			`for HTTPS, …the proxy \x1b[2Jproxy.test:3128 (…, and this check does not`},
	} {
		got := otherWay(test.java, test.ours, "host.test")
		rest, well := got, (got == "") == (test.want == "")
		for part := range strings.SplitSeq(test.want, "…") {
			_, after, found := strings.Cut(rest, part)
			rest, well = after, well && found
		}
		if !well || rest != "" && test.want != "" {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestOtherWayIsTold in the words of checks that are well, fail, and do not even find the name; and in the evidence.
func TestOtherWayIsTold(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	chain := []*paper{r.leaf(t), r.intermediate}
	port := startNginx(t, map[string][]*paper{"well": chain}, nil)["well"]
	home := withProperties(t, javaHome(t, "JKS", r.root.Cert), "https.proxyHost=proxy.test\nhttp.nonProxyHosts=\n")
	well, strange, unknown := localTarget(port, r.roots), localTarget(port, nil), localTarget(port, r.roots)
	unknown.Host = "nowhere.invalid"
	for _, target := range []TLSTarget{well, strange, unknown} {
		target.Java = watching(home)
		const words = "; for HTTPS, the service's Java goes through the proxy proxy.test:443 (https.proxyHost), and this " +
			"check does not"
		result := TLS(target)(withTimeout(t, 5*time.Second))
		if !strings.HasSuffix(result.Detail, words) || (result.Status == check.OK) != (target.Host != unknown.Host &&
			target.Roots != nil) {
			t.Errorf("%s %s: %s", result.Status, result.Cause, result.Detail)
		}
		evidence, ok := result.Evidence.(*TLSEvidence)
		if target.Host != unknown.Host && (!ok || !strings.Contains(strings.Join(evidence.Java.Notes, ";"), words[2:])) {
			t.Errorf("%+v", result.Evidence)
		}
	}
	directory := LDAPSTarget{Server: well.Server}
	directory.Java = watching(home)
	result := LDAPS(directory)(withTimeout(t, 5*time.Second))
	evidence, ok := result.Evidence.(LDAPSEvidence)
	if !ok || evidence.TLS == nil || len(evidence.TLS.Java.Notes) > 0 || strings.Contains(result.Detail, "proxy") {
		t.Errorf("of a directory: %s %+v", result.Detail, result.Evidence)
	}
}
