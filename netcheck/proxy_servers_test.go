package netcheck

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The passwords of Squid's users: monitor's is not in ASCII, for RFC 7617 has it sent as UTF-8, which a JVM does not.
const (
	proxyPassword = "pässwörd: 1"
	javaPassword  = "password"
)

// startSquid runs Squid with a port that is open to all but for forbidden.test, and one for those who authenticate.
func startSquid(t *testing.T) (open, known uint16) {
	t.Helper()
	squid, folder := needProgram(t, "squid"), sharedFolder(t)
	hashes, err := exec.Command(needProgram(t, "openssl"), "passwd", "-apr1", proxyPassword, javaPassword).Output()
	if err != nil {
		t.Fatal(err)
	}
	monitor, java, _ := strings.Cut(string(hashes), "\n")
	users := filepath.Join(folder, "users")
	writeFile(t, users, "monitor:"+monitor+"\njava:"+java)
	if err := os.Chmod(users, 0o644); err != nil { // Squid drops to a user of its own
		t.Fatal(err)
	}
	open, known = uint16(freePort(t)), uint16(freePort(t))
	conf := filepath.Join(folder, "squid.conf")
	writeFile(t, conf, fmt.Sprintf(`http_port 127.0.0.1:%d name=open
http_port 127.0.0.1:%d name=known
auth_param basic program %s %s
auth_param basic utf8 on
acl forbidden dstdomain forbidden.test
acl here myportname open
acl user proxy_auth REQUIRED
http_access deny forbidden
http_access allow here
http_access allow user
http_access deny all
visible_hostname proxy.test
cache deny all
cache_mem 8 MB
access_log none
cache_log /dev/stderr
pid_filename none
coredump_dir none
pinger_enable off
shutdown_lifetime 0 seconds
connect_timeout 5 seconds
`, open, known, needFile(t, "/usr/lib/squid/basic_ncsa_auth"), users))
	var log bytes.Buffer
	run(t, exec.Command(squid, "-N", "-f", conf), &log)
	for _, port := range []uint16{open, known} {
		eventually(t, "Squid listens", func() bool { return listens(port) })
	}
	return open, known
}

// sharedFolder is a folder that other users may look into, as they may not into t.TempDir.
func sharedFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "sallyport-test-") //nolint:usetesting // its parent is closed to the proxy's user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// startTinyproxy runs Tinyproxy for one user and one port of its targets.
func startTinyproxy(t *testing.T, target uint16) uint16 {
	t.Helper()
	tinyproxy, port := needProgram(t, "tinyproxy"), uint16(freePort(t))
	conf := filepath.Join(t.TempDir(), "tinyproxy.conf")
	writeFile(t, conf, strings.Join([]string{fmt.Sprintf("Port %d", port), "Listen 127.0.0.1", "Timeout 5", "MaxClients 10",
		"LogLevel Warning", "BasicAuth monitor secret", fmt.Sprintf("ConnectPort %d", target), ""}, "\n"))
	var log bytes.Buffer
	run(t, exec.Command(tinyproxy, "-d", "-c", conf), &log)
	eventually(t, "Tinyproxy listens", func() bool { return listens(port) })
	return port
}
