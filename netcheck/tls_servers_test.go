package netcheck

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startNginx serves each chain on a port of its own, with a line more of configuration where one is given.
func startNginx(t *testing.T, chains map[string][]*paper, more map[string]string) map[string]uint16 {
	t.Helper()
	return startNginxAt(t, 0, chains, more)
}

// startNginxAt has it believe that it is later than it is, by some time or, where that is negative, earlier.
func startNginxAt(
	t *testing.T, later time.Duration, chains map[string][]*paper, more map[string]string,
) map[string]uint16 {
	t.Helper()
	nginx := needProgram(t, "nginx")
	folder := t.TempDir()
	ports := map[string]uint16{}
	var servers strings.Builder
	for name, chain := range chains {
		cert, key := files(t, chain...)
		port := freePort(t)
		ports[name] = uint16(port)
		fmt.Fprintf(&servers, "server { listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s; %s }\n",
			port, cert, key, more[name])
	}
	conf := filepath.Join(folder, "nginx.conf")
	writeFile(t, conf, fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events { worker_connections 64; }
http { access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c;
uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers DEFAULT:@SECLEVEL=0;
%[2]s}
`, folder, servers.String()))
	var log bytes.Buffer
	cmd := exec.Command(nginx, "-p", folder, "-e", "stderr", "-c", conf)
	if later != 0 {
		cmd.Env = append(os.Environ(), "LD_PRELOAD="+needFile(t, "/usr/lib/*/faketime/libfaketime.so.1"),
			"FAKETIME_DONT_FAKE_MONOTONIC=1", fmt.Sprintf("FAKETIME=%+ds", int(later.Seconds())))
	}
	run(t, cmd, &log)
	for name, port := range ports {
		eventually(t, "nginx listens for "+name, func() bool { return listens(port) })
	}
	return ports
}

// needFile is the file that matches a pattern: part of a package that the test needs.
func needFile(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		cannot(t, "there is no "+pattern)
	}
	return found[0]
}

func listens(port uint16) bool {
	conn, err := net.Dial("tcp", local(int(port)).String())
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// run starts a program and ends it with the test.
func run(t *testing.T, cmd *exec.Cmd, log *bytes.Buffer) {
	t.Helper()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", filepath.Base(cmd.Path), log.String())
		}
	})
}

// startOpenSSL runs openssl s_server on a port of its own choice.
func startOpenSSL(t *testing.T, chain []*paper, args ...string) uint16 {
	t.Helper()
	openssl := needProgram(t, "openssl")
	cert, key := files(t, chain...)
	all := append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-cert_chain", cert, "-key", key}, args...)
	cmd := exec.Command(openssl, all...)
	stdin, err := cmd.StdinPipe() // it ends when its input does
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	run(t, cmd, &log)
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			drained := make(chan struct{})
			go func() { _, _ = io.Copy(io.Discard, stdout); close(drained) }()
			t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Process.Kill(); <-drained })
			return netip.MustParseAddrPort(address).Port()
		}
	}
	_ = cmd.Process.Kill()
	t.Fatalf("openssl s_server does not accept: %s", log.String())
	return 0
}

// startTCP answers each connection on 127.0.0.1 by a function, one goroutine each, and waits for all of them.
func startTCP(t *testing.T, answer func(*net.TCPConn)) uint16 {
	t.Helper()
	return startTCPAt(t, "127.0.0.1:0", answer)
}

func startTCPAt(t *testing.T, address string, answer func(*net.TCPConn)) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answered := make(chan struct{})
			t.Cleanup(func() { _ = conn.Close(); <-answered })
			go func() {
				defer close(answered)
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				answer(conn.(*net.TCPConn))
				_ = conn.Close()
			}()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}

func takeHello(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1<<14)) }

func resetNow(conn *net.TCPConn) { _ = conn.SetLinger(0) }

func untilClosed(conn *net.TCPConn) { _, _ = io.Copy(io.Discard, conn) }

func say(words string) func(*net.TCPConn) {
	return func(conn *net.TCPConn) { _, _ = io.WriteString(conn, words); untilClosed(conn) }
}
