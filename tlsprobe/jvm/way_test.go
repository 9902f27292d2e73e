package jvm

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWayBasic: where Basic is forbidden for tunnels, by which file or flag, and where it is not.
func TestWayBasic(t *testing.T) {
	t.Parallel()
	const key = PropertyTunnelDisabled
	for name, test := range map[string]struct {
		properties string
		flags      Flags
		want       string
	}{
		"as installed":       {key + "=Basic\n", nil, "FILE"},
		"among others":       {key + "=NTLM , bAsIc\n", nil, "FILE"},
		"others":             {key + "=NTLM,Basics\n", nil, ""},
		"before 8u111":       {"a=b\n", nil, ""},
		"allowed by a flag":  {key + "=Basic\n", Flags{key: ""}, ""},
		"by a flag":          {"", Flags{key: "Basic"}, "-D" + key},
		"by a flag and file": {key + "=Basic\n", Flags{key: "basic"}, "-D" + key},
	} {
		for _, place := range netProperties() {
			jre := t.TempDir()
			file := put(t, filepath.Join(jre, place), test.properties)
			way, notes := Machine{Home: jre, Flags: test.flags}.way()
			if want := strings.Replace(test.want, "FILE", file, 1); way.BasicDisabled != want || len(notes) > 0 || way.Seen {
				t.Errorf("%s, %s: %+v, %q; want %q", name, place, way, notes, want)
			}
		}
	}
	jre := t.TempDir()
	put(t, filepath.Join(jre, "conf/net.properties"), strings.Repeat("#", maxText+1))
	way, notes := Machine{Home: jre, PID: 1}.way()
	if len(notes) != 1 || !strings.Contains(notes[0], "larger than") || !way.Seen {
		t.Errorf("%+v, %q", way, notes)
	}
	if way, notes := (Machine{Home: t.TempDir()}).way(); way.BasicDisabled != "" || way.Proxy != "" || notes != nil {
		t.Errorf("%+v, %q", way, notes)
	}
}

// TestWayOfTheFile: a file that changes is read again.
func TestWayOfTheFile(t *testing.T) {
	t.Parallel()
	now, jre := time.Now(), home(t, t.TempDir(), "17.0.1")
	put(t, filepath.Join(jre, "lib/security/cacerts"), jksOf())
	watch := NewWatch(Service{Java: jre}, nil, nil)
	for _, want := range []string{"", "a.test:443", "b.test:443", ""} {
		host, _, _ := strings.Cut(want, ":")
		put(t, filepath.Join(jre, "conf/net.properties"), "https.proxyHost="+host+"\n#"+strings.Repeat("x", len(host)))
		now = now.Add(time.Second)
		if trust, err := watch.Trust(now); err != nil || trust.Way.Proxy != want {
			t.Errorf("%+v, %v; want %s", trust, err, want)
		}
	}
}

// TestWayAgrees has the real Java choose proxies for the same hosts, by the same flags and its own file.
func TestWayAgrees(t *testing.T) {
	t.Parallel()
	program := realJava(t)
	folder := t.TempDir()
	source := put(t, filepath.Join(folder, "Choose.java"), `import java.net.*; import java.util.*;
class Choose { public static void main(String[] a) throws Exception {
	Scanner in = new Scanner(System.in);
	while (in.hasNextLine()) {
		String[] f = in.nextLine().split("\t", -1);
		String[] names = {"https.proxyHost", "https.proxyPort", "http.nonProxyHosts"};
		for (int i = 0; i < 3; i++) {
			if (f[i].equals("unset")) System.clearProperty(names[i]); else System.setProperty(names[i], f[i]);
		}
		Proxy p = ProxySelector.getDefault().select(new URI("https://" + f[3] + "/")).get(0);
		InetSocketAddress at = (InetSocketAddress) p.address();
		System.out.println(at == null ? "" : at.getHostString() + ":" + at.getPort());
	}
} }`)
	resolved, err := filepath.EvalSymlinks(program)
	if err != nil {
		t.Fatal(err)
	}
	lines, want := waysOf(Machine{Home: filepath.Dir(filepath.Dir(resolved))})
	cmd := exec.CommandContext(t.Context(), program, "-XX:TieredStopAtLevel=1", source)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := cmd.Output()
	said := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if err != nil || len(said) != len(lines) {
		t.Fatalf("%d answers to %d: %v", len(said), len(lines), err)
	}
	for i, line := range lines {
		if said[i] != want[i] {
			t.Errorf("%q: we say %q, Java %q", line, want[i], said[i])
		}
	}
	if all := fmt.Sprint(said); !strings.Contains(all, "p.test:443") || !strings.Contains(all, "p.test:3128") {
		t.Error("Java chose no proxy at all")
	}
}

// waysOf are questions, and what we answer: https.proxyHost, https.proxyPort, http.nonProxyHosts and a host.
func waysOf(m Machine) (lines, want []string) {
	hosts := []string{"host.test", "HOST.test", "www.example.test", "example.test", "10.1.2.3", "127.0.0.5", "localhost",
		"[::1]", "[2001:db8::1]", "a-mid-b.test", "axb"}
	for _, proxy := range []string{
		"unset\tunset", "\t3128", "p.test\t3128", "p.test\tunset", "p.test\t0", "p.test\tx", "p.test\t",
	} {
		for _, straight := range []string{"unset", "", "|", "*", "*.Example.test|10.*", "*mid*", "host.test", "*|x", "a*b"} {
			for _, host := range hosts {
				line := proxy + "\t" + straight + "\t" + host
				lines, m.Flags = append(lines, line), Flags{}
				for i, name := range []string{PropertyProxyHost, PropertyProxyPort, PropertyNotProxied} {
					if value := strings.Split(line, "\t")[i]; value != "unset" {
						m.Flags.set(name, value)
					}
				}
				way, _ := m.way()
				want = append(want, way.To(strings.Trim(host, "[]")))
			}
		}
	}
	return lines, want
}
