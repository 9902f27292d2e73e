package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// fiveChecks are the checks of the daemon that is measured: one dns, two tls, two ldaps, by name and by address.
func fiveChecks() []string {
	return []string{lab.CheckResolver, lab.CheckCloud, "console-by-address", lab.CheckDirectory, "directory-by-address"}
}

// home is a lab with embedded servers and the shipped binary on its host.
type home struct {
	*lab.Lab
	*lab.Sallyport
	b   *testing.B
	log *net.UnixConn // where the daemon's syslog records go
}

// newHome builds it.
func newHome(b *testing.B, interval time.Duration) home {
	b.Helper()
	available(b, "make", "go", "nft")
	dir, err := os.MkdirTemp("", "sp-") //nolint:usetesting // b.TempDir has names too long for a socket
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	l, err := lab.New(ctx, dir, lab.Embedded)
	if err != nil {
		b.Fatal(errors.Join(err, os.RemoveAll(dir)))
	}
	b.Cleanup(func() {
		if err := errors.Join(l.Close(), os.RemoveAll(dir)); err != nil {
			b.Error(err)
		}
	})
	bin, err := shipped()
	if err != nil {
		b.Fatal(err)
	}
	h := home{Lab: l, b: b}
	socket := filepath.Join(dir, "log")
	if h.log, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.log.Close() })
	settings := lab.Settings{Interval: interval, Syslog: []string{"unix://" + socket}}
	if h.Sallyport, err = l.NewSallyport(filepath.Join(bin, "sallyport"), settings); err != nil {
		b.Fatal(err)
	}
	if err := h.Write(withFiveChecks(l, l.Configuration(settings))); err != nil {
		b.Fatal(err)
	}
	return h
}

// withFiveChecks adds to the lab's three checks the two by address.
func withFiveChecks(l *lab.Lab, configuration string) string {
	tls := fmt.Sprintf("    - {name: console-by-address, address: \"%s:443\", server_name: %s}\n",
		l.Cloud.IPv4, lab.CloudName)
	ldaps := fmt.Sprintf(`    - name: directory-by-address
      url: ldaps://%s:636
      server_name: %s
      bind_dn: %s
      password_file: %s
      base_dn: %s
`, l.Directory.IPv4, lab.DirectoryName, lab.BindDN, l.PasswordFile(), lab.StaffDN)
	configuration = strings.Replace(configuration, "  ldaps:\n", tls+"  ldaps:\n", 1)
	return strings.Replace(configuration, "trust:\n", ldaps+"trust:\n", 1)
}
