package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Sallyport is the product's binary with a configuration, run in the host node as an operator would.
type Sallyport struct {
	Binary string
	File   string // the configuration

	lab    *Lab
	daemon *Process
}

// Settings are what a configuration for the lab leaves open.
type Settings struct {
	Ping     bool
	Syslog   []string       // values of report.syslog[].to
	Allow    string         // a YAML flow sequence of exceptions; empty: none
	Owned    bool           // firewall.ownership: auto; else watch
	Admins   []netip.Prefix // who may come in to TCP 22; nil: the admin
	Egress   string         // a YAML flow mapping, of firewall.egress; empty: left out
	Service  string         // service.user; empty: no service
	Interval time.Duration  // of every check; its timeout is a little less; 0: one second
}

// NewSallyport writes a configuration for the binary into a folder of its own in the lab's.
func (l *Lab) NewSallyport(binary string, settings Settings) (*Sallyport, error) {
	dir := filepath.Join(l.Dir, "sallyport")
	for _, folder := range []string{dir, filepath.Join(dir, "state"), filepath.Join(dir, "run")} {
		if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	s := &Sallyport{Binary: binary, File: filepath.Join(dir, "sallyport.yaml"), lab: l}
	return s, s.Write(l.Configuration(settings))
}

// Write puts a configuration in place of the one that is there.
func (s *Sallyport) Write(configuration string) error {
	return os.WriteFile(s.File, []byte(configuration), 0o600)
}

// Configuration is a configuration for the lab's host: the admin's network may reach TCP 22, nobody else anything, and
// the three ways out are checked.
func (l *Lab) Configuration(s Settings) string {
	if s.Interval == 0 {
		s.Interval = time.Second
	}
	dir := filepath.Join(l.Dir, "sallyport")
	var b strings.Builder
	fmt.Fprintf(&b, "paths: {state: %s, runtime: %s}\n", filepath.Join(dir, "state"), filepath.Join(dir, "run"))
	b.WriteString(l.firewall(s))
	fmt.Fprintf(&b, `checks:
  defaults: {interval: %s, timeout: %s, fail_after: 2, recover_after: 1, expiry_warn: 21d, expiry_fail: 7d}
  dns:
    - {name: resolver, query: %s, type: A, servers: [%s], expect: [%s]}
  tls:
    - {name: code42-console, address: "%s:443"}
  ldaps:
    - name: directory
      url: ldaps://%s:636
      bind_dn: %s
      password_file: %s
      base_dn: %s
      filter: (objectClass=person)
      min_entries: %d
trust:
  roots: [%s]
  java: "off"
`, s.Interval, s.Interval*9/10, CloudName, l.Resolver.IPv4, l.Cloud.IPv4, CloudName, DirectoryName, BindDN, l.PasswordFile(),
		StaffDN, Staff-20, l.RootsFile())
	b.WriteString("report:\n  metrics: {listen: \"127.0.0.1:9636\"}\n")
	if len(s.Syslog) > 0 {
		b.WriteString("  syslog:\n")
	}
	for _, to := range s.Syslog {
		fmt.Fprintf(&b, "    - {to: %q}\n", to)
	}
	return b.String()
}

// firewall is the configuration's section of that name, and the service whose egress it may name.
func (l *Lab) firewall(s Settings) string {
	ownership := "watch"
	if s.Owned {
		ownership = "auto"
	}
	if s.Admins == nil {
		s.Admins = []netip.Prefix{netip.PrefixFrom(l.Admin.IPv4, 32), netip.PrefixFrom(l.Admin.IPv6, 128)}
	}
	var admins []string
	for _, from := range s.Admins {
		admins = append(admins, strconv.Quote(from.String()))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `firewall:
  mode: enforce
  ownership: %s
  ping: %t
  management:
    - name: ssh-admins
      ports: [22/tcp]
      from: [%s]
`, ownership, s.Ping, strings.Join(admins, ", "))
	if s.Allow != "" {
		fmt.Fprintf(&b, "  allow: %s\n", s.Allow)
	}
	if s.Egress != "" {
		fmt.Fprintf(&b, "  egress: %s\n", s.Egress)
	}
	if s.Service != "" {
		fmt.Fprintf(&b, "service: {user: %q}\n", s.Service)
	}
	return b.String()
}

// Command runs a subcommand with the configuration, to its end.
func (s *Sallyport) Command(ctx context.Context, command string, args ...string) (Outcome, error) {
	return s.lab.Host.Run(ctx, s.Binary, append([]string{command, "--config", s.File}, args...)...)
}

// Ask runs check, verify or status and reads what it says. Its exit code may be any that goes with a report.
func (s *Sallyport) Ask(ctx context.Context, command string, args ...string) (Report, error) {
	outcome, err := s.Command(ctx, command, append([]string{"-o", "json"}, args...)...)
	if err != nil {
		return Report{}, err
	}
	var report Report
	if err := json.Unmarshal([]byte(outcome.Stdout), &report); err != nil {
		return Report{}, fmt.Errorf("sallyport %s: exit code %d and no report: %w: %s",
			command, outcome.Code, err, outcome.Stderr)
	}
	return report, nil
}

// Run starts the daemon. It returns at once; AwaitStatus tells when it is at work.
func (s *Sallyport) Run() error {
	daemon, err := s.lab.Host.Start(s.Binary, "run", "--here", "--config", s.File)
	s.daemon = daemon
	return err
}

// Reload asks the daemon to read its configuration again.
func (s *Sallyport) Reload() error { return s.daemon.Signal(syscall.SIGHUP) }

// Daemon is the process that Run started.
func (s *Sallyport) Daemon() *Process { return s.daemon }

// Stop ends the daemon.
func (s *Sallyport) Stop() error { return s.daemon.Stop() }

// AwaitStatus asks the daemon again and again until what it says satisfies want, and returns that.
func (s *Sallyport) AwaitStatus(ctx context.Context, want func(Report) error) (Report, error) {
	var report Report
	err := Until(ctx, "sallyport status", func() (err error) {
		if err := running(s.daemon); err != nil {
			return err
		}
		if report, err = s.Ask(ctx, "status"); err != nil {
			return err
		}
		return want(report)
	})
	return report, err
}
