package netcheck

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/check"
)

// startPlainNginx serves HTTP without TLS, with these lines in its server block, and is the program that runs.
func startPlainNginx(t *testing.T, lines string) (*exec.Cmd, uint16) {
	t.Helper()
	nginx, folder, port := needProgram(t, "nginx"), t.TempDir(), freePort(t)
	conf := filepath.Join(folder, "nginx.conf")
	writeFile(t, conf, fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events { worker_connections 64; }
http { access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c;
uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
server { listen 127.0.0.1:%[2]d; %[3]s } }
`, folder, port, lines))
	var log bytes.Buffer
	cmd := exec.Command(nginx, "-p", folder, "-e", "stderr", "-c", conf)
	run(t, cmd, &log)
	eventually(t, "nginx listens", func() bool { return listens(uint16(port)) })
	return cmd, uint16(port)
}

// TestTLSPlaintextServers: what a server without TLS makes of a ClientHello, in its own words where it has any.
func TestTLSPlaintextServers(t *testing.T) {
	t.Parallel()
	_, web := startPlainNginx(t, "")
	target := localTarget(web, nil)
	expectResult(t, target, check.Fail, check.TLSNotTLS, `speak TLS but HTTP: it said "HTTP/1.1 400 Bad Request\r\n`,
		"tls")
	target.Like = stockJava(17)
	expectResult(t, target, check.Fail, check.TLSNotTLS, "but HTTP", "tls")
	_, mute := startPlainNginx(t, "error_page 400 = /mute; location /mute { return 444; }")
	expectResult(t, localTarget(mute, nil), check.Fail, check.TLSReset, "reset in the TLS handshake", "tls")
	directory := startSlapd(t, nil, "")
	expectResult(t, localTarget(directory.plain, nil), check.Fail, check.TLSClosed, "closed the connection", "tls")
}

// TestTLSAlerts: alerts of real servers, by name.
func TestTLSAlerts(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	chain := []*paper{r.leaf(t), r.intermediate}
	ports := startNginx(t, map[string][]*paper{"stranger": chain}, map[string]string{"stranger": "ssl_reject_handshake on;"})
	expectResult(t, localTarget(ports["stranger"], r.roots), check.Fail, check.TLSAlert,
		"unrecognized_name (112), it does not know the server name", "tls")

	target := localTarget(startOpenSSL(t, chain, "-alpn", "imap"), r.roots)
	target.ALPN = []string{"h2", "http/1.1"}
	expectResult(t, target, check.Fail, check.TLSAlert, "no_application_protocol (120)", "tls")
	for name, args := range map[string][]string{"h2": {"-alpn", "h2"}, "": nil} {
		target.Port = startOpenSSL(t, chain, args...)
		result := expectResult(t, target, check.OK, "", "TLS 1.3", "tls")
		if e, ok := result.Evidence.(*TLSEvidence); !ok || e.ALPN != name || len(e.ALPNOffered) != 2 ||
			e.Milliseconds.Hello <= 0 || e.Milliseconds.Finished < e.Milliseconds.Certificates {
			t.Errorf("evidence %+v", result.Evidence)
		}
	}
}

// TestTLSStopped: a server that is stopped, whose kernel goes on to accept for it, and then has no room any more.
func TestTLSStopped(t *testing.T) {
	t.Parallel()
	nginx, port := startPlainNginx(t, "")
	if err := nginx.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nginx.Process.Signal(syscall.SIGCONT) })
	short := func(port uint16) check.Result {
		return TLS(localTarget(port, nil))(withTimeout(t, 600*time.Millisecond))
	}
	if r := short(port); r.Cause != check.TLSTimeout {
		t.Errorf("stopped: %s %s: %s", r.Status, r.Cause, r.Detail)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	own := unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Bind(fd, &own); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil { // room for one that nobody accepts
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	queue := uint16(bound.(*unix.SockaddrInet4).Port)
	if r := short(queue); r.Cause != check.TLSTimeout {
		t.Errorf("never accepted: %s %s: %s", r.Status, r.Cause, r.Detail)
	}
	if r := short(queue); r.Cause != check.ConnectTimeout {
		t.Errorf("no room: %s %s: %s", r.Status, r.Cause, r.Detail)
	}
}

// TestInsideMiddleboxes has nft do what middleboxes do to a handshake with nginx.
func TestInsideMiddleboxes(t *testing.T) {
	inside(t)
	r := newRegistry(t)
	ports := startNginx(t, map[string][]*paper{
		"reset": {r.leaf(t), r.intermediate}, "garbled": {r.leaf(t), r.intermediate}, "large": {r.leaf(t), r.intermediate},
		"deaf": {r.leaf(t), r.intermediate},
	}, nil)
	table := `table inet boxes { chain in { type filter hook input priority 0;
		tcp dport RESET meta length > 200 reject with tcp reset
		tcp dport LARGE meta length > 1000 drop
		tcp dport DEAF meta length > 200 drop
	}; chain out { type filter hook output priority 0;
		tcp sport GARBLED meta length > 200 @ih,40,8 set 0x63
	}; }`
	for name, port := range ports {
		table = strings.ReplaceAll(table, strings.ToUpper(name), fmt.Sprint(port))
	}
	command(t, "nft", table)
	t.Cleanup(func() { command(t, "nft", "delete table inet boxes") })
	for _, test := range []struct {
		name  string
		like  bool
		want  check.Status
		cause check.Cause
		words string
	}{
		{"reset", false, check.Fail, check.TLSReset, "reset in the TLS handshake"},
		{"garbled", false, check.Fail, check.TLSMalformed, "broke the TLS protocol"},
		{"large", false, check.Fail, check.TLSHelloDropped, "answer to a small"},
		{"large", true, check.OK, "", "TLS 1.3"},
		{"deaf", false, check.Fail, check.TLSTimeout, "no answer in the TLS handshake"},
		{"deaf", true, check.Fail, check.TLSTimeout, "no answer in the TLS handshake"},
	} {
		target := localTarget(ports[test.name], r.roots)
		if test.like {
			target.Like = stockJava(17)
		}
		result := TLS(target)(withTimeout(t, time.Second))
		if result.Status != test.want || result.Cause != test.cause || !strings.Contains(result.Detail, test.words) {
			t.Errorf("%s: %s %s: %s", test.name, result.Status, result.Cause, result.Detail)
		}
	}
}
