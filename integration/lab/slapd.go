package lab

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// slapd is OpenLDAP's server, with the same people as the embedded directory. It is restarted for each change of
// certificate.
type slapd struct {
	node        *Node
	dir         string
	certificate Certificate
	process     *Process
}

func newSlapd(n *Node, dir string) *slapd { return &slapd{node: n, dir: dir} }

func (s *slapd) Program() string { return "slapd" }

func (s *slapd) Start(ctx context.Context) error {
	if err := s.certificate.write(filepath.Join(s.dir, "chain.pem"), filepath.Join(s.dir, "key.pem")); err != nil {
		return err
	}
	if err := s.fill(ctx); err != nil {
		return err
	}
	p, err := s.node.Start("slapd", "-d", "0", "-f", s.file(), "-h", "ldaps:///")
	if err != nil {
		return err
	}
	s.process = p
	return errors.Join(presents(ctx, s.node, 636, s.certificate), running(p))
}

func (s *slapd) Stop() error {
	if s.process == nil {
		return nil
	}
	p := s.process
	s.process = nil
	return p.Stop()
}

func (s *slapd) Present(ctx context.Context, certificate Certificate) error {
	s.certificate = certificate
	if s.process == nil {
		return nil
	}
	return errors.Join(s.Stop(), s.Start(ctx))
}

func (s *slapd) file() string { return filepath.Join(s.dir, "slapd.conf") }

// fill makes the database, once.
func (s *slapd) fill(ctx context.Context) error {
	database := filepath.Join(s.dir, "db")
	if err := os.Mkdir(database, 0o700); errors.Is(err, os.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	if err := os.WriteFile(s.file(), []byte(s.configuration(database)), 0o600); err != nil {
		return err
	}
	// -q leaves out consistency checks and syncs: the data is made here and may be lost.
	add := exec.CommandContext(ctx, "slapadd", "-q", "-f", s.file())
	add.Stdin = strings.NewReader(ldif(people()))
	if out, err := add.CombinedOutput(); err != nil {
		return fmt.Errorf("slapadd: %w: %s", err, out)
	}
	return nil
}

func (s *slapd) configuration(database string) string {
	return fmt.Sprintf(`include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/slapd.pid
TLSCertificateFile %[1]s/chain.pem
TLSCertificateKeyFile %[1]s/key.pem
TLSVerifyClient never
sizelimit 1000
access to dn.base="" by * read
database mdb
suffix %[2]q
directory %[3]s
dbnosync
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
`, s.dir, BaseDN, database)
}

// ldif is the entries as RFC 2849 writes them, everything in base64.
func ldif(entries []entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "dn:: %s\n", base64.StdEncoding.EncodeToString([]byte(e.dn)))
		for _, a := range e.attributes {
			for _, v := range a.values {
				fmt.Fprintf(&b, "%s:: %s\n", a.name, base64.StdEncoding.EncodeToString([]byte(v)))
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
