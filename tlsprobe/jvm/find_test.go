package jvm

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// put writes a file, and the folders above it.
func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// home makes a Java home of a version.
func home(t *testing.T, path, version string) string {
	t.Helper()
	put(t, filepath.Join(path, "lib/security/cacerts"), "")
	put(t, filepath.Join(path, "bin/java"), "")
	put(t, filepath.Join(path, "release"), `JAVA_VERSION="`+version+`"`+"\nIMPLEMENTOR=\"Some\u202eone\"\n")
	return path
}

// running makes a process of this user in a made-up /proc.
func running(t *testing.T, proc string, pid int, args ...string) {
	t.Helper()
	put(t, filepath.Join(proc, fmt.Sprint(pid), "cmdline"), strings.Join(args, "\x00")+"\x00")
}

func me() string { return fmt.Sprint(os.Getuid()) }

// TestFindInOrder takes one way of finding the Java away after the other.
func TestFindInOrder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	at := func(path string) string { return filepath.Join(root, path) }
	proc := at("proc")
	home(t, at("opt/uds/jre"), "11.0.2")
	home(t, at("opt/own"), "17.0.1")
	home(t, at("opt/set"), "21")
	home(t, at("opt/said"), "25.0.3")
	home(t, at("default"), "8")
	running(t, proc, 40, "bash", "-c", "java")
	running(t, proc, 41, at("opt/own/bin/java"), "-Djavax.net.ssl.trustStore=own.jks", "-jar", "other.jar")
	running(t, proc, 42, at("opt/own/bin/java"), "-Xmx1g", "-Djavax.net.ssl.trustStore=/own.jks", "-cp",
		at("opt/uds/lib/uds.jar"), "Main")
	s := Service{User: me(), Executable: at("opt/uds/bin/Sync"), JavaHome: at("opt/set"), Java: at("opt/said")}
	h := Host{Proc: proc, Defaults: []string{at("nowhere"), at("default")}}
	expect := func(how, version, home string) Machine {
		t.Helper()
		m, err := h.Find(s)
		if err != nil || m.Release.Version != version || m.Home != at(home) || !strings.Contains(m.How, how) {
			t.Errorf("%+v, %v; want Java %s at %s, %s", m, err, version, home, how)
		}
		return m
	}
	expect("as trust.java says", "25.0.3", "opt/said")
	s.Java = ""
	m := expect("running process 42", "17.0.1", "opt/own")
	if m.PID != 42 || !m.Running || m.Flags[PropertyTrustStore] != "/own.jks" || len(m.Notes) != 2 {
		t.Errorf("%+v; want the flags of the process that mentions the service's folder, and two notes", m)
	}
	h.Seen, h.SeenAt = &m, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h.Proc = at("empty")
	if err := os.Mkdir(h.Proc, 0o755); err != nil {
		t.Fatal(err)
	}
	if m = expect("last seen 2026-01-02 03:04 UTC", "17.0.1", "opt/own"); m.Running || m.Flags[PropertyTrustStore] == "" {
		t.Errorf("%+v; want the flags of the process, which does not run", m)
	}
	h.Seen = nil
	expect("bundled with", "11.0.2", "opt/uds/jre")
	s.Executable = at("opt/none/Sync")
	expect("service.java_home", "21", "opt/set")
	s.JavaHome = at("opt/gone")
	if _, err := h.Find(s); err == nil || !strings.Contains(err.Error(), "correct service.java_home") {
		t.Errorf("error %v", err)
	}
	s.JavaHome = ""
	if m := expect("the system's default", "8", "default"); m.Release.Feature() != 8 || m.Release.Implementor != "Someone" {
		t.Errorf("%+v", m.Release)
	}
	h.Defaults = []string{at("nowhere")}
	if _, err := h.Find(s); err == nil || !strings.Contains(err.Error(), "set service.java_home") {
		t.Errorf("error %v", err)
	}
}

// TestFindWhatCannotBeTold: a process that is seen, but whose files are not to be told, leaves its flags and says so.
func TestFindWhatCannotBeTold(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	jre := home(t, filepath.Join(root, "uds/jre"), "1.8.0_412")
	running(t, filepath.Join(root, "proc"), 7, "java",
		"-Dhttps.proxyHost=proxy", "-Djavax.net.ssl.trustStore=rel.jks", "Main")
	h, s := Host{Proc: filepath.Join(root, "proc")}, Service{User: me(), Executable: filepath.Join(root, "uds/Sync")}
	m, err := h.Find(s)
	if err != nil || m.Home != jre || m.Flags[PropertyProxyHost] != "proxy" || m.Release.Feature() != 8 {
		t.Fatalf("%+v, %v", m, err)
	}
	if !slices.ContainsFunc(m.Notes, func(n string) bool { return strings.Contains(n, `cannot be told from "java"`) }) {
		t.Errorf("notes %q", m.Notes)
	}
	if store := m.StoreFile(); store.Path != "rel.jks" {
		t.Errorf("%+v", store)
	}
	for _, user := range []string{"nobody-of-that-name", ""} {
		m, err := h.Find(Service{User: user, Executable: s.Executable})
		if err != nil || m.Home != jre || m.PID != 0 {
			t.Errorf("user %q: %+v, %v", user, m, err)
		}
	}
	put(t, filepath.Join(root, "proc/self/mounts"), "proc "+h.Proc+" proc rw,hidepid=2 0 0\n")
	if err := os.RemoveAll(filepath.Join(root, "proc/7")); err != nil {
		t.Fatal(err)
	}
	if m, err := h.Find(s); err != nil || len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "hidepid") {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestStoreFile: the flag, then jssecacerts, then cacerts, also below a JDK 8.
func TestStoreFile(t *testing.T) {
	t.Parallel()
	jre := home(t, filepath.Join(t.TempDir(), "jdk8/jre"), "1.8.0_412")
	found, ok := homeOf(filepath.Dir(jre))
	if !ok || found != jre {
		t.Fatalf("%s, %v", found, ok)
	}
	m := Machine{Home: jre, Flags: Flags{}, Folder: "/work"}
	expect := func(want string) {
		t.Helper()
		if got := m.StoreFile().Path; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	expect(jre + "/lib/security/cacerts")
	put(t, jre+"/lib/security/jssecacerts", "")
	expect(jre + "/lib/security/jssecacerts")
	m.Flags[PropertyTrustStore] = "own.jks"
	expect("/work/own.jks")
	m.Flags[PropertyTrustStore] = "NONE"
	expect("")
}

func TestFlags(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	put(t, filepath.Join(folder, "args"), "# -Dhttps.proxyHost=comment\n-Dhttps.proxyPort=3128 "+
		"\"-Djavax.net.ssl.trustStore=a b\" @more\n-cp 'x\\\n  y'\n")
	const store = "-D" + PropertyTrustStore + "="
	for name, test := range map[string]struct {
		process process
		want    Flags
	}{
		"the last one counts": {process{java: true, args: []string{store + "1", store + "2", "Main"}},
			Flags{PropertyTrustStore: "2"}},
		"the program's own": {process{java: true, args: []string{"-jar", "a.jar", store + "1"}}, Flags{}},
		"after the class":   {process{java: true, args: []string{"-cp", "x", "Main", store + "1"}}, Flags{}},
		"another launcher":  {process{args: []string{"go", store + "1"}}, Flags{PropertyTrustStore: "1"}},
		"no secrets": {process{java: true, args: []string{"-Dpassword=x", "-D" + PropertyNoLDAPSNames + "=true"}},
			Flags{PropertyNoLDAPSNames: "true"}},
		"a file of arguments": {process{java: true, cwd: folder, args: []string{"@args", "Main"}},
			Flags{PropertyProxyPort: "3128", PropertyTrustStore: "a b"}},
		"no files":        {process{java: true, cwd: folder, args: []string{"--disable-@files", "@args", "Main"}}, Flags{}},
		"a file not read": {process{java: true, args: []string{"@args", "Main"}}, Flags{}},
		"the environment": {process{java: true, args: []string{store + "2", "Main"}, environ: []string{
			"JAVA_TOOL_OPTIONS=" + store + "1 -Dhttps.proxyHost='a b'", "_JAVA_OPTIONS=-Dhttps.proxyPort=1"}},
			Flags{PropertyTrustStore: "2", PropertyProxyHost: "a b", PropertyProxyPort: "1"}},
	} {
		got := test.process.flags()
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestComparesLDAPSNames: Java takes the flag for true where it says so in any case, and where it says nothing.
func TestComparesLDAPSNames(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"": false, "true": false, "TRUE": false, "false": true, "1": true} {
		if got := (Machine{Flags: Flags{PropertyNoLDAPSNames: value}}).ComparesLDAPSNames(); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	if !(Machine{}).ComparesLDAPSNames() {
		t.Error("a machine without the flag compares no names")
	}
}

// TestSecurity: what Java's own file says, and the file that a flag adds or puts in its place.
func TestSecurity(t *testing.T) {
	t.Parallel()
	jre := home(t, t.TempDir(), "17.0.1")
	put(t, jre+"/conf/security/java.security", "# comment\na=1, \\\n  2\nb : \\u0078\n"+
		"security.overridePropertiesFile=true\na=3, \\\n  4\n")
	more := put(t, jre+"/more", "b=9\nc=8\n")
	for flag, want := range map[string]string{
		"": "3, 4 x ", more: "3, 4 9 8", "=" + more: " 9 8", "file:" + more: "3, 4 9 8", "/nonexistent": "3, 4 x ",
	} {
		m := Machine{Home: jre, Flags: Flags{PropertySecurity: flag}}
		p, notes := m.Security()
		if got := p["a"] + " " + p["b"] + " " + p["c"]; got != want || len(notes) > 0 != (flag == "/nonexistent") {
			t.Errorf("%q: %q, notes %q; want %q", flag, got, notes, want)
		}
	}
}
