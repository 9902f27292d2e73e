package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/config"
	"sallyport/netcheck/resolver"
)

func newInit(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Print a starting configuration from what this host shows",
		Long: "Print a starting configuration from what this host shows. The only way in that it proposes is SSH from\n" +
			"the address that you are logged in from (SSH_CONNECTION; sudo keeps it with --preserve-env=SSH_CONNECTION).",
		Example: "  sallyport init > sallyport.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			facts := hostFacts(os.Getenv("SSH_CONNECTION"))
			text, err := config.Starter(facts)
			if err != nil {
				return err
			}
			if _, err := cmd.OutOrStdout().Write(text); err != nil {
				return err
			}
			next := "next: fill in `from`, which is left empty because SSH_CONNECTION does not say where you are"
			if facts.Admin.IsValid() {
				next = "next: read it; you are taken to be at " + facts.Admin.String()
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%s; then write it to %s and run `sallyport config check`\n",
				next, opts.file)
			return err
		},
	}
}

// hostFacts is what the host shows. Whatever it does not show stays zero.
func hostFacts(connection string) config.Facts {
	var facts config.Facts
	facts.Hostname, _ = os.Hostname()
	facts.Resolvers, _ = resolver.SystemResolvers()
	session, ok := parseSession(connection)
	if !ok {
		return facts
	}
	facts.Admin, facts.SSHPorts = session.client, []uint16{session.port}
	facts.Network = networkOf(session.server)
	return facts
}

// session is the SSH session of this command: where it comes from, and where to.
type session struct {
	client, server netip.Addr
	port           uint16
}

// parseSession reads SSH_CONNECTION: client address and port, server address and port (sshd(8), ENVIRONMENT).
func parseSession(connection string) (session, bool) {
	fields := strings.Fields(connection)
	if len(fields) != 4 {
		return session{}, false
	}
	client, clientErr := netip.ParseAddr(fields[0])
	server, serverErr := netip.ParseAddr(fields[2])
	port, portErr := strconv.ParseUint(fields[3], 10, 16)
	if clientErr != nil || serverErr != nil || portErr != nil {
		return session{}, false
	}
	return session{client: client.Unmap(), server: server.Unmap(), port: uint16(port)}, true
}

// networkOf is the network of the interface that has the address, invalid where none has.
func networkOf(address netip.Addr) netip.Prefix {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}
	}
	for _, a := range interfaces {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr() == address {
			return prefix.Masked()
		}
	}
	return netip.Prefix{}
}
