package main

import (
	"fmt"

	"sallyport/config"
	"sallyport/firewall"
)

// keepsOwnerIn refuses a policy that shuts out the address from which this very session is logged in, by SSH_CONNECTION.
func keepsOwnerIn(conf *config.Config, connection string, force bool) error {
	s, ok := parseSession(connection)
	if !ok || force {
		return nil
	}
	if policyOf(conf.Firewall, true).Admits(s.client.WithZone(""), firewall.TCP, s.port) {
		return nil
	}
	return fmt.Errorf("%s: this policy shuts out %s, from which you are logged in on port %d: add it to an exception of "+
		"firewall.management, or give --force", conf.File, s.client, s.port)
}
