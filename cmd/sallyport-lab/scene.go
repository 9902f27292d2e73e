package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sallyport/integration/lab"
)

// scene is where the story plays: the lab, what listens on its host, and Sallyport.
type scene struct {
	page      *page
	lab       *lab.Lab
	services  *lab.Services
	sallyport *lab.Sallyport
}

func setScene(ctx context.Context, opts options, folder string, p *page) (*scene, error) {
	l, err := lab.New(ctx, folder, lab.Kind(opts.servers))
	if err != nil {
		return nil, fmt.Errorf("building the lab: %w", err)
	}
	s := &scene{page: p, lab: l}
	if s.services, err = lab.StartServices(ctx, l.Host); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if s.sallyport, err = l.NewSallyport(opts.sallyport, lab.Settings{}); err != nil {
		return nil, errors.Join(err, s.clear())
	}
	return s, nil
}

// clear ends everything.
func (s *scene) clear() error { return errors.Join(s.services.Close(), s.lab.Close()) }

// introduce says who is who.
func (s *scene) introduce() {
	for _, line := range wrap(
		"Sallyport in a lab of its own: six machines, made just now, on no network of this machine.", s.page.width) {
		s.page.print("%s%s%s\n", s.page.bold, line, s.page.plain)
	}
	s.page.print("\n")
	l := s.lab
	for _, machine := range []struct {
		node *lab.Node
		role string
	}{
		{l.Host, "Sallyport guards it"},
		{l.Admin, "may come in to TCP 22"},
		{l.Stranger, "may not come in"},
		{l.Resolver, "DNS, " + l.NameServer.Program()},
		{l.Cloud, "HTTPS, " + lab.CloudName + ", " + l.Web.Program()},
		{l.Directory, fmt.Sprintf("LDAPS, %s, %d people, %s", lab.DirectoryName, lab.Staff, l.LDAP.Program())},
	} {
		s.page.line("%-9s  %-10s  %-8s  %s", machine.node.Name, machine.node.IPv4, machine.node.IPv6, machine.role)
	}
}

// lookAround says how to enter the lab from outside.
func (s *scene) lookAround() {
	s.page.section("The lab is left running, until Ctrl-C")
	s.page.line("On the host:")
	for _, command := range []string{"status", "check", "plan", "verify --twin"} {
		s.page.line("  %s", s.lab.Host.Enter(s.sallyport.Binary, command, "--config", s.sallyport.File))
	}
	s.page.line("A shell on each machine:")
	for _, n := range s.lab.Nodes() {
		s.page.line("  %-46s # %s", n.Enter("sh"), n.Name)
	}
	s.page.line("Try, on admin and stranger:  curl telnet://%s:%d  ping %s",
		s.lab.Host.IPv4, lab.SSHPort, s.lab.Host.IPv6)
}

// showLog is for --verbose.
func (s *scene) showLog() {
	daemon := s.sallyport.Daemon()
	if daemon == nil {
		return
	}
	s.page.section("What the daemon logged")
	for line := range strings.Lines(daemon.Output()) {
		s.page.line("%s", strings.TrimSuffix(line, "\n"))
	}
}
