package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// nginx is the real cloud. It is restarted for each change of certificate.
type nginx struct {
	node        *Node
	dir         string
	certificate Certificate
	ahead       time.Duration
	process     *Process
}

func newNginx(n *Node, dir string) *nginx { return &nginx{node: n, dir: dir} }

func (x *nginx) Program() string { return "nginx" }

func (x *nginx) Start(ctx context.Context) error {
	file := filepath.Join(x.dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(x.configuration()), 0o644); err != nil {
		return err
	}
	if err := x.certificate.write(filepath.Join(x.dir, "chain.pem"), filepath.Join(x.dir, "key.pem")); err != nil {
		return err
	}
	command := append(clock(x.ahead), "nginx", "-p", x.dir, "-e", "stderr", "-c", file)
	p, err := x.node.Start(command[0], command[1:]...)
	if err != nil {
		return err
	}
	x.process = p
	return errors.Join(presents(ctx, x.node, 443, x.certificate), running(p))
}

func (x *nginx) Stop() error {
	if x.process == nil {
		return nil
	}
	p := x.process
	x.process = nil
	return p.Stop()
}

func (x *nginx) Present(ctx context.Context, certificate Certificate) error {
	x.certificate = certificate
	if x.process == nil {
		return nil
	}
	return errors.Join(x.Stop(), x.Start(ctx))
}

func (x *nginx) Ahead(ctx context.Context, by time.Duration) error {
	if by != 0 && libfaketime() == "" {
		return ErrNoClock
	}
	x.ahead = by
	return errors.Join(x.Stop(), x.Start(ctx))
}

// clock is what a program is started by so that it has another time than the machine; nothing for no difference.
func clock(ahead time.Duration) []string {
	if ahead == 0 {
		return nil
	}
	return []string{"env", "LD_PRELOAD=" + libfaketime(), "FAKETIME_DONT_FAKE_MONOTONIC=1",
		fmt.Sprintf("FAKETIME=%+ds", int(ahead.Seconds()))}
}

// libfaketime is the path of the library that lies to programs about the time; empty where it is not installed.
func libfaketime() string {
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[0]
}

// configuration names the lab's own user for the workers: in a user namespace there is no other. The security level 0
// is OpenSSL's, which would not load a 1024-bit key otherwise.
func (x *nginx) configuration() string {
	return fmt.Sprintf(`daemon off;
user root;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr;
events { worker_connections 512; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  server {
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name _;
    ssl_certificate %[1]s/chain.pem;
    ssl_certificate_key %[1]s/key.pem;
    ssl_ciphers DEFAULT:@SECLEVEL=0;
    ssl_session_tickets off;
    default_type application/json;
    location / { return 200 '{"status":"ok"}'; }
  }
}
`, x.dir)
}
