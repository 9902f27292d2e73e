package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

// Facts are what a host shows of itself, for a starting configuration. Each may be left zero.
type Facts struct {
	Hostname  string
	SSHPorts  []uint16     // where the SSH server listens; 22 when none is known
	Admin     netip.Addr   // where the person who asks is connected from (SSH_CONNECTION)
	Network   netip.Prefix // the network of the interface that leads to the administrators; only ever proposed
	Resolvers []netip.Addr // the name servers of /etc/resolv.conf
}

//go:embed starter.yaml.tmpl
var starterText string

// starter is what the template shows.
type starter struct {
	Hostname, Ports, Admin, Network, Interface, Resolvers string
	Known                                                 bool
}

// Starter is a starting configuration for the host with these facts. The only way in is SSH from the address of the
// person who asks, and from there alone. Where that is not known, Parse refuses the file until it is filled in: a guess
// would either lock somebody out or let somebody in.
func Starter(facts Facts) ([]byte, error) {
	page, err := template.New("starter").Parse(starterText)
	if err != nil {
		return nil, fmt.Errorf("the template of the starting configuration: %w", err)
	}
	show := starter{
		Hostname:  hostComment(facts.Hostname),
		Ports:     sshPorts(facts.SSHPorts),
		Resolvers: resolvers(facts.Resolvers),
	}
	if facts.Network.IsValid() && facts.Network.Bits() > 0 {
		show.Network = facts.Network.Masked().String()
	}
	if admin := facts.Admin.Unmap(); admin.IsValid() && !admin.IsLoopback() && !admin.IsUnspecified() &&
		!admin.IsMulticast() {
		show.Known = true
		show.Interface = admin.Zone() // a link-local address means nothing without its interface
		admin = admin.WithZone("")
		show.Admin = netip.PrefixFrom(admin, admin.BitLen()).String()
	}
	var out bytes.Buffer
	if err := page.Execute(&out, show); err != nil {
		return nil, fmt.Errorf("the starting configuration: %w", err)
	}
	return out.Bytes(), nil
}

// hostComment is a host's name fit for a comment.
func hostComment(name string) string {
	name, _, _ = strings.Cut(name, "\n")
	if strings.TrimSpace(name) == "" || len(name) > maxName {
		return "this host"
	}
	return strings.Map(visible, name)
}

// sshPorts is the list of the ports, each once.
func sshPorts(given []uint16) string {
	all := slices.Compact(slices.Sorted(slices.Values(given)))
	all = slices.DeleteFunc(all, func(p uint16) bool { return p == 0 })
	if len(all) == 0 {
		all = []uint16{22}
	}
	words := make([]string, len(all))
	for i, p := range all {
		words[i] = strconv.Itoa(int(p)) + "/tcp"
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// resolvers is the list of the servers, each once, without those that no server can have.
func resolvers(given []netip.Addr) string {
	var words []string
	for _, addr := range given {
		addr = addr.Unmap()
		if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
			continue
		}
		if word := strconv.Quote(addr.String()); !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}
