package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
)

// The names that the lab's resolver knows and its servers have certificates for.
const (
	CloudName     = "console.us.code42.com"
	DirectoryName = "dc1.corp.example"
)

// Lab is the whole world: its machines, its servers, and the authority that their certificates come from.
type Lab struct {
	Host      *Node // where Sallyport runs
	Admin     *Node // may come in
	Stranger  *Node // may not
	Resolver  *Node
	Cloud     *Node
	Directory *Node

	Authority  *Authority
	NameServer Resolver
	Web        WebServer
	LDAP       TLSServer

	Dir string // files of the lab: roots.pem, the password, the servers' own

	network *Node // the switch
}

// New builds a lab with its files below dir, which must be a folder of its own, and starts its servers. Everything ends
// by Close; it also ends when the process does.
func New(ctx context.Context, dir string, kind Kind) (*Lab, error) {
	l := &Lab{Dir: dir}
	if err := l.build(ctx, kind); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) build(ctx context.Context, kind Kind) error {
	if err := l.connect(); err != nil {
		return err
	}
	if err := l.serve(kind); err != nil {
		return err
	}
	authority, err := NewAuthority("lab")
	if err != nil {
		return err
	}
	l.Authority = authority
	if err := l.settle(); err != nil {
		return err
	}
	if err := l.Heal(ctx); err != nil {
		return err
	}
	for _, server := range l.Servers() {
		if err := server.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// connect makes the namespaces and plugs them together. Each node finds its resolver in its own resolv.conf.
func (l *Lab) connect() error {
	resolv, hosts := filepath.Join(l.Dir, "resolv.conf"), filepath.Join(l.Dir, "hosts")
	err := errors.Join(
		os.WriteFile(resolv, []byte("nameserver 10.77.0.53\noptions timeout:1 attempts:1\n"), 0o644),
		os.WriteFile(hosts, []byte("127.0.0.1 localhost\n::1 localhost\n"), 0o644))
	if err != nil {
		return err
	}
	files := map[string]string{"/etc/resolv.conf": resolv, "/etc/hosts": hosts}
	if l.network, err = newNode("switch", netip.Addr{}, netip.Addr{}, nil); err != nil {
		return err
	}
	br, err := bridge(l.network)
	if err != nil {
		return err
	}
	for _, machine := range []struct {
		name   string
		number int
		place  **Node
	}{
		{"host", 10, &l.Host}, {"admin", 20, &l.Admin}, {"stranger", 66, &l.Stranger},
		{"resolver", 53, &l.Resolver}, {"cloud", 40, &l.Cloud}, {"directory", 36, &l.Directory},
	} {
		ipv4 := netip.MustParseAddr(fmt.Sprintf("10.77.0.%d", machine.number))
		ipv6 := netip.MustParseAddr(fmt.Sprintf("fd77::%d", machine.number))
		n, err := newNode(machine.name, ipv4, ipv6, files)
		if err != nil {
			return err
		}
		*machine.place = n
		if err := plug(l.network, br, n); err != nil {
			return err
		}
	}
	return nil
}

// serve chooses the servers.
func (l *Lab) serve(kind Kind) error {
	if kind == Embedded {
		l.NameServer = newEmbeddedResolver(l.Resolver)
		l.Web = newEmbeddedCloud(l.Cloud)
		l.LDAP = newEmbeddedDirectory(l.Directory)
		return nil
	}
	if kind != Real {
		return fmt.Errorf("%q are no servers: want embedded or real", kind)
	}
	dirs := make([]string, 0, 3)
	for _, name := range []string{"unbound", "nginx", "slapd"} {
		dir := filepath.Join(l.Dir, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		dirs = append(dirs, dir)
	}
	l.NameServer = newUnbound(l.Resolver, dirs[0])
	l.Web = newNginx(l.Cloud, dirs[1])
	l.LDAP = newSlapd(l.Directory, dirs[2])
	return nil
}

// RootsFile is the PEM file of the lab's trusted roots.
func (l *Lab) RootsFile() string { return filepath.Join(l.Dir, "roots.pem") }

// PasswordFile holds the password of BindDN.
func (l *Lab) PasswordFile() string { return filepath.Join(l.Dir, "ldap-password") }

// settle writes the files that Sallyport's configuration names.
func (l *Lab) settle() error {
	return errors.Join(
		os.WriteFile(l.RootsFile(), l.Authority.PEM(), 0o644),
		os.WriteFile(l.PasswordFile(), []byte(Password), 0o600))
}

// Heal undoes every fault of names and certificates. It does not start what is stopped.
func (l *Lab) Heal(ctx context.Context) error {
	return errors.Join(
		l.NameServer.Answer(ctx, CloudName, Answer{Addresses: l.Cloud.Addresses()}),
		l.NameServer.Answer(ctx, DirectoryName, Answer{Addresses: l.Directory.Addresses()}),
		l.Flaw(ctx, l.Web, CloudName, Sound),
		l.Flaw(ctx, l.LDAP, DirectoryName, Sound))
}

// Flaw gives a server a new certificate for the host, with a flaw or Sound.
func (l *Lab) Flaw(ctx context.Context, server TLSServer, host string, flaw Flaw) error {
	certificate, err := l.Authority.Issue(host, flaw)
	if err != nil {
		return err
	}
	return server.Present(ctx, certificate)
}

// Servers are the lab's servers, in the order in which they start.
func (l *Lab) Servers() []Server {
	var servers []Server
	if l.NameServer != nil {
		servers = append(servers, l.NameServer, l.Web, l.LDAP)
	}
	return servers
}

// Nodes are the lab's machines.
func (l *Lab) Nodes() []*Node {
	nodes := []*Node{l.Host, l.Admin, l.Stranger, l.Resolver, l.Cloud, l.Directory}
	return slices.DeleteFunc(nodes, func(n *Node) bool { return n == nil })
}

// Close ends everything: what runs in the host and the other nodes, the servers, the namespaces.
func (l *Lab) Close() error {
	var errs []error
	if l.Host != nil {
		errs = append(errs, l.Host.stopAll()) // Sallyport first, before its world falls apart
	}
	for _, server := range l.Servers() {
		errs = append(errs, server.Stop())
	}
	for _, n := range append(l.Nodes(), l.network) {
		if n != nil {
			errs = append(errs, n.close())
		}
	}
	return errors.Join(errs...)
}
