package jvm

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func realJava(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("java")
	if err != nil {
		if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
			t.Fatal("java is not installed")
		}
		t.Skip("java is not installed")
	}
	return program
}

// TestRealProcess finds a Java that really runs, by the real /proc, with its flags, and reads its store.
func TestRealProcess(t *testing.T) {
	t.Parallel()
	program, folder := realJava(t), t.TempDir()
	put(t, filepath.Join(folder, "Wait.java"), `class Wait { public static void main(String[] a) throws Exception {
		System.out.println("runs"); System.in.read(); } }`)
	put(t, filepath.Join(folder, "args"), "-Dhttps.proxyHost=proxy.test\n")
	cmd := exec.CommandContext(t.Context(), program, "-XX:TieredStopAtLevel=1", "@args",
		"-Djavax.net.ssl.trustStore=own.jks", filepath.Join(folder, "Wait.java"), "-Dhttps.proxyPort=1")
	cmd.Dir = folder
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close(); _ = cmd.Wait() }()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || strings.TrimSpace(line) != "runs" {
		t.Fatalf("%q, %v", line, err)
	}
	m, err := Host{}.Find(Service{User: me(), Executable: filepath.Join(folder, "Wait")})
	if err != nil || m.PID != cmd.Process.Pid || !m.Running || m.Release.Feature() < 8 {
		t.Fatalf("%+v, %v", m, err)
	}
	if m.Flags[PropertyProxyHost] != "proxy.test" || m.Flags[PropertyProxyPort] != "" ||
		m.StoreFile().Path != filepath.Join(folder, "own.jks") {
		t.Errorf("flags %q, store %+v", m.Flags, m.StoreFile())
	}
	way, notes := m.way()
	if way.To("host.test") != "proxy.test:443" || way.To("localhost") != "" || !way.Seen || len(notes) > 0 ||
		way.BasicDisabled != filepath.Join(m.Home, "conf/net.properties") {
		t.Errorf("%+v, %q", way, notes)
	}
	m.Flags = Flags{}
	trust, err := read(m, nil)
	if err != nil || trust.Count < 50 || trust.Kind == "" || len(trust.rules.profile.Rules) < 5 {
		t.Errorf("%d authorities of %+v, %v, rules %v", trust.Count, trust.Store, err, trust.rules.profile.Rules)
	}
}
