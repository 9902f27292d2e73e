package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// unbound is the resolver by NLnet Labs. It is restarted for each change: that takes some ten milliseconds.
type unbound struct {
	node    *Node
	dir     string
	answers map[string]Answer
	process *Process
}

func newUnbound(n *Node, dir string) *unbound {
	return &unbound{node: n, dir: dir, answers: make(map[string]Answer)}
}

func (u *unbound) Program() string { return "unbound" }

func (u *unbound) Start(ctx context.Context) error {
	file := filepath.Join(u.dir, "unbound.conf")
	if err := os.WriteFile(file, []byte(u.configuration()), 0o644); err != nil {
		return err
	}
	p, err := u.node.Start("unbound", "-d", "-c", file)
	if err != nil {
		return err
	}
	u.process = p
	return Until(ctx, "unbound", func() error { return errors.Join(u.ask(ctx), running(p)) })
}

func (u *unbound) Stop() error {
	if u.process == nil {
		return nil
	}
	p := u.process
	u.process = nil
	return p.Stop()
}

func (u *unbound) Answer(ctx context.Context, name string, answer Answer) error {
	u.answers[dns.CanonicalName(name)] = answer
	if u.process == nil {
		return nil
	}
	return errors.Join(u.Stop(), u.Start(ctx))
}

// ask sends a query about the server itself; any answer will do.
func (u *unbound) ask(ctx context.Context) error {
	conn, err := u.node.Dial(ctx, "udp", u.node.Address("ip4", 53))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		return err
	}
	query := new(dns.Msg).SetQuestion("version.bind.", dns.TypeTXT)
	query.Question[0].Qclass = dns.ClassCHAOS
	_, _, err = (&dns.Client{}).ExchangeWithConnContext(ctx, query, &dns.Conn{Conn: conn})
	return err
}

// zoneType is the fault as unbound.conf(5) has them under local-zone.
func zoneType(fault DNSFault) string {
	switch fault {
	case NXDomain:
		return "always_nxdomain"
	case NoData:
		return "always_nodata"
	case Refused:
		return "always_refuse"
	case Silence:
		return "always_deny"
	default:
		return "static"
	}
}

func (u *unbound) configuration() string {
	var b, forwards strings.Builder
	fmt.Fprintf(&b, `server:
  interface: 0.0.0.0
  interface: ::
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: %q
  pidfile: ""
  use-syslog: no
  logfile: ""
  module-config: "iterator"
  do-not-query-localhost: yes
  num-threads: 1
  cache-max-ttl: 1
  local-zone: "." always_nxdomain
`, u.dir)
	for _, name := range slices.Sorted(maps.Keys(u.answers)) {
		answer := u.answers[name]
		if answer.Fault == ServFail { // its only server is one that unbound must not ask
			fmt.Fprintf(&b, "  local-zone: %q always_transparent\n", name)
			fmt.Fprintf(&forwards, "forward-zone:\n  name: %q\n  forward-addr: 127.0.0.1@9\n", name)
			continue
		}
		fmt.Fprintf(&b, "  local-zone: %q %s\n", name, zoneType(answer.Fault))
		for _, address := range answer.Addresses {
			fmt.Fprintf(&b, "  local-data: \"%s 1 IN %s %s\"\n", name, dns.TypeToString[recordType(address)], address)
		}
	}
	b.WriteString("remote-control:\n  control-enable: no\n")
	return b.String() + forwards.String()
}

// running is an error once the program has ended, with what it said.
func running(p *Process) error {
	select {
	case <-p.Ended():
		return fmt.Errorf("%s has ended: %s", p.cmd.Path, p.Output())
	default:
		return nil
	}
}
