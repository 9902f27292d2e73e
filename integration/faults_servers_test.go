package integration_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sallyport/integration/lab"
)

// nginxFault is a server of nginx's.
type nginxFault struct {
	name string
	flaw lab.Flaw
	more string // lines of its configuration
}

func nginxFaults() []nginxFault {
	return []nginxFault{
		{"well", lab.Sound, "return 200 hello;"},
		{"expired", lab.Expired, ""},
		{"early", lab.NotYetValid, ""},
		{"wrongname", lab.WrongName, ""},
		{"stranger-authority", lab.OtherAuthority, ""},
		{"selfsigned", lab.SelfSigned, ""},
		{"leafalone", lab.MissingIntermediate, ""},
		{"staleissuer", lab.ExpiredIntermediate, ""},
		{"rsa1024", lab.WeakKey, ""},
		{"threedays", lab.Expiring, ""},
		{"sha1", lab.WeakSignature, ""},
		{"forclients", lab.ClientUsage, ""},
		{"inspected", lab.Inspected, ""},
		{"unrecognized", lab.Sound, "ssl_reject_handshake on;"},
		{"forbidden", lab.Sound, "return 403;"},
		{"middlereset", lab.Sound, ""}, // what happens to these is startFilters' doing
		{"middlelarge", lab.Sound, ""},
		{"middlegarbled", lab.Sound, ""},
	}
}

// startWeb starts the cloud's servers: nginx, another whose clock is wrong, openssl, and a few that only a handful of
// lines can be.
func (r *faultRig) startWeb() {
	r.t.Helper()
	var servers strings.Builder
	for _, s := range nginxFaults() {
		chain, key := r.pair("web-"+s.name, lab.CloudName, s.flaw)
		fmt.Fprintf(&servers, "server { listen %d ssl; ssl_certificate %s; ssl_certificate_key %s; %s }\n",
			cloudPort(s.name), chain, key, s.more)
	}
	fmt.Fprintf(&servers, "server { listen %d; }\n", cloudPort("plain"))
	r.nginx("faults", servers.String(), "")
	chain, key := r.pair("skewed", lab.CloudName, lab.NotYetValid)
	r.nginx("skewed", fmt.Sprintf("server { listen %d ssl; ssl_certificate %s; ssl_certificate_key %s; }",
		cloudPort("skewed"), chain, key), "+10d")

	old := []string{"-cipher", "ALL:@SECLEVEL=0"}
	for name, args := range map[string][]string{
		"tls11": append([]string{"-tls1_1", "-www"}, old...), "tls13": {"-tls1_3", "-www"},
		"cipher": {"-tls1_2", "-cipher", "ECDHE-ECDSA-CAMELLIA128-SHA256", "-www"},
		"client": {"-tls1_3", "-Verify", "1", "-www"}, "babble": {"-rev"},
	} {
		r.openssl(r.Cloud, cloudPort(name), lab.CloudName, args...)
	}
	r.raw("silence", func(conn *net.TCPConn) { _, _ = io.Copy(io.Discard, conn) })
	r.raw("reset", func(conn *net.TCPConn) { _ = conn.SetLinger(0) })
	r.raw("eof", func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1<<14)) })
	r.raw("internal", func(conn *net.TCPConn) { // the alert internal_error (RFC 8446 section 6.2)
		_, _ = conn.Read(make([]byte, 1<<14))
		_, _ = io.WriteString(conn, "\x15\x03\x03\x00\x02\x02\x50")
	})
}

// nginx starts one on the cloud, whose clock is off by so much where something is given.
func (r *faultRig) nginx(name, servers, clock string) {
	r.t.Helper()
	dir := r.newFolder("nginx-" + name)
	conf := filepath.Join(dir, "nginx.conf")
	r.put(conf, fmt.Sprintf(`daemon off; master_process off; user root; pid %[1]s/pid; error_log stderr;
events { worker_connections 512; }
http { access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c;
uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers DEFAULT:@SECLEVEL=0;
%[2]s}
`, dir, servers))
	command := []string{"nginx", "-p", dir, "-e", "stderr", "-c", conf}
	if clock != "" {
		library, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
		if err != nil || len(library) == 0 {
			r.t.Fatalf("no libfaketime: %v", err)
		}
		command = append([]string{"env", "LD_PRELOAD=" + library[0], "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME=" + clock},
			command...)
	}
	r.program(r.Cloud, command[0], command[1:]...)
}

// openssl starts an s_server.
func (r *faultRig) openssl(n *lab.Node, port uint16, host string, args ...string) {
	r.t.Helper()
	chain, key := r.pair(fmt.Sprintf("openssl-%d", port), host, lab.Sound)
	r.program(n, "openssl", append([]string{"s_server", "-accept", fmt.Sprintf("0.0.0.0:%d", port),
		"-cert", chain, "-cert_chain", chain, "-key", key}, args...)...)
}

// raw answers each connection to a port of the cloud by a function, and closes it then.
func (r *faultRig) raw(name string, answer func(*net.TCPConn)) {
	r.t.Helper()
	listener, err := r.Cloud.Listen(r.t.Context(), cloudPort(name))
	if err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan struct{})
	r.t.Cleanup(func() { _ = listener.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // it ends then at the latest
				answer(conn.(*net.TCPConn))
				_ = conn.Close()
			}()
		}
	}()
}

// startProxy starts a proxy that wants to know who asks, and that connects to one port alone.
func (r *faultRig) startProxy() {
	r.t.Helper()
	conf := filepath.Join(r.newFolder("tinyproxy"), "tinyproxy.conf")
	r.put(conf, fmt.Sprintf("Port %d\nListen %s\nTimeout 5\nMaxClients 20\nLogLevel Warning\nBasicAuth monitor secret\n"+
		"ConnectPort %d\n", cloudPort("proxy"), r.Cloud.IPv4, cloudPort("well")))
	r.program(r.Cloud, "tinyproxy", "-d", "-c", conf)
}

// startFilters has nft and routes do what filters, middleboxes and routers do.
func (r *faultRig) startFilters() {
	r.t.Helper()
	r.command(r.Cloud, "nft", fmt.Sprintf(`table inet boxes { chain in { type filter hook input priority 0;
		tcp dport %d drop
		tcp dport %d meta length > 200 reject with tcp reset
		tcp dport %d meta length > 1000 drop
	}; chain out { type filter hook output priority 0;
		tcp sport %d meta length > 200 @ih,40,8 set 0x63
	}; }`, cloudPort("dropped"), cloudPort("middlereset"), cloudPort("middlelarge"), cloudPort("middlegarbled")))
	r.command(r.Resolver, "nft", fmt.Sprintf(`table inet boxes {
		chain to { type nat hook prerouting priority -100; udp dport %[1]d redirect to :%[2]d; };
		chain from { type filter hook output priority 0;
			udp sport %[2]d ct original proto-dst %[1]d @ih,56,8 set 0x63
		}; }`,
		garbledResolver, faultyResolver)) // 99 answers (RFC 1035 section 4.1.1)
	r.command(r.Host, "ip route add prohibit 192.0.2.1")
	r.command(r.Host, "ip route add unreachable 192.0.2.2")
}

// startJava makes a Java home with the real Java's programs, a store that has another authority than ours, and properties
// that do without TLS 1.3.
func (r *faultRig) startJava() {
	r.t.Helper()
	program, err := filepath.EvalSymlinks(programOf(r.world, "keytool"))
	if err != nil {
		r.t.Fatal(err)
	}
	genuine, home := filepath.Dir(filepath.Dir(program)), r.newFolder("java")
	for _, folder := range []string{"lib/security", "conf/security"} {
		if err := os.MkdirAll(filepath.Join(home, folder), 0o700); err != nil {
			r.t.Fatal(err)
		}
	}
	for _, name := range []string{"release", "bin"} {
		if err := os.Symlink(filepath.Join(genuine, name), filepath.Join(home, name)); err != nil {
			r.t.Fatal(err)
		}
	}
	properties, err := os.ReadFile(filepath.Join(genuine, "conf/security/java.security"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.put(filepath.Join(home, "conf/security/java.security"), // what is said last counts
		string(properties)+"\njdk.tls.disabledAlgorithms=SSLv3, TLSv1, TLSv1.1, TLSv1.3, DTLSv1.0, RC4, DES, MD5withRSA\n")
	issued, err := os.ReadFile(filepath.Join(r.Dir, "web-stranger-authority.pem"))
	if err != nil {
		r.t.Fatal(err)
	}
	const end = "-----END CERTIFICATE-----\n"
	_, issuer, _ := strings.Cut(string(issued), end)
	file := filepath.Join(r.Dir, "java-authority.pem")
	r.put(file, issuer) // an anchor need not be a root
	r.command(r.Cloud, "keytool -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -importcert -noprompt -alias other "+
		"-storetype JKS -storepass changeit", "-file", file, "-keystore", filepath.Join(home, "lib/security/cacerts"))
	r.words["java"] = home
}
