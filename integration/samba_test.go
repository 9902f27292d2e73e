package integration_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"sallyport/check"
	"sallyport/integration/lab"
	"sallyport/netcheck"
	"sallyport/netcheck/memory"
	"sallyport/tlsprobe"
)

const (
	domainName    = "ad.test"
	domainDN      = "DC=ad,DC=test"
	controller    = "dc1.ad.test"
	administrator = "Administrator@ad.test"
	adminPassword = "Passw0rd!x"
	goodPassword  = "Passw0rd!"
	badPassword   = "not the one"
	lockAfter     = 3 // wrong passwords
)

// domain is an Active Directory domain with one controller, by Samba, in the tests' own network namespace.
type domain struct {
	dir, caFile string
	roots       *tlsprobe.Roots
}

// newDomain provisions a domain and starts its controller, which ends with the test. It takes some seconds.
func newDomain(t *testing.T) *domain {
	t.Helper()
	need(t, "samba", "samba-tool", "faketime", "ldapmodify", "ldapsearch")
	if os.Geteuid() != 0 {
		t.Skip("only root provisions a domain") // the full run is root's
	}
	d := &domain{dir: shortDir(t)}
	d.certify(t)
	// TLS 1.2, as controllers up to Windows Server 2019 speak it. Samba asks for a client certificate, and with TLS 1.3 a
	// run that binds nobody would wait a second for the refusal of one that has none.
	samba := "tls priority=NORMAL:-VERS-TLS1.3|interfaces=lo|bind interfaces only=yes|server services=ldap, cldap, dns|" +
		"pid directory=DIR|ncalrpc dir=DIR/rpc|log file=DIR/log|tls cafile=DIR/ca.pem|" +
		"tls certfile=DIR/chain.pem|tls keyfile=DIR/key.pem"
	args := []string{"domain", "provision", "--realm=" + domainName, "--domain=ADTEST", "--server-role=dc",
		"--dns-backend=SAMBA_INTERNAL", "--adminpass=" + adminPassword, "--host-ip=127.0.0.1", "--host-name=dc1",
		"--targetdir=" + d.dir + "/dc"}
	for option := range strings.SplitSeq(strings.ReplaceAll(samba, "DIR", d.dir), "|") {
		args = append(args, "--option="+option)
	}
	if out, err := exec.CommandContext(within(t, time.Minute), "samba-tool", args...).CombinedOutput(); err != nil {
		t.Fatalf("samba-tool: %v: %s", err, out)
	}
	// A password expires after a day at least, and nobody can set when it was set: this one was two days ago.
	args = []string{"-f", "-2d", "samba-tool", "user", "create", "expired", goodPassword,
		"-H", d.dir + "/dc/private/sam.ldb", "-s", d.dir + "/dc/etc/smb.conf"}
	if out, err := exec.CommandContext(within(t, time.Minute), "faketime", args...).CombinedOutput(); err != nil {
		t.Fatalf("samba-tool: %v: %s", err, out)
	}
	d.start(t)
	d.modify(t, people())
	return d
}

// certify gives the controller a certificate.
func (d *domain) certify(t *testing.T) {
	t.Helper()
	authority, err := lab.NewAuthority("directory")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := authority.Issue(controller, lab.Sound)
	if err != nil {
		t.Fatal(err)
	}
	d.caFile = filepath.Join(d.dir, "ca.pem")
	for name, content := range map[string][]byte{
		"ca.pem": authority.PEM(), "chain.pem": certificate.Chain, "key.pem": certificate.Key,
	} {
		if err := os.WriteFile(filepath.Join(d.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.roots = tlsprobe.NewRoots([]*x509.Certificate{authority.Root}...)
}

// start runs the controller as one process, until the test ends.
func (d *domain) start(t *testing.T) {
	t.Helper()
	var said bytes.Buffer
	args := []string{"-F", "--no-process-group", "-M", "single", "-s", d.dir + "/dc/etc/smb.conf"}
	cmd := exec.Command("samba", args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // nothing of it is to be kept
		if err := cmd.Wait(); t.Failed() {
			t.Logf("samba: %v: %s", err, said.String())
		}
	})
	until(t, "the controller listens", func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", "127.0.0.1:636")
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// until waits for something.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
	}
}

// tool runs one of OpenLDAP's programs as the administrator.
func (d *domain) tool(t *testing.T, input, program string, args ...string) string {
	t.Helper()
	args = append([]string{"-x", "-H", "ldaps://127.0.0.1", "-D", administrator, "-w", adminPassword}, args...)
	cmd := exec.CommandContext(within(t, 20*time.Second), program, args...)
	cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+d.caFile, "LDAPTLS_REQCERT=never")
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
	return string(out)
}

func (d *domain) modify(t *testing.T, ldif string) {
	t.Helper()
	d.tool(t, ldif, "ldapmodify")
}

// count is how many wrong passwords the domain has counted for a user.
func (d *domain) count(t *testing.T, user string) string {
	t.Helper()
	out := d.tool(t, "", "ldapsearch", "-LLL", "-s", "base", "-b", userDN(user), "badPwdCount")
	_, count, found := strings.Cut(out, "badPwdCount: ")
	if !found {
		return "0"
	}
	return strings.TrimSpace(count)
}

func userDN(name string) string { return "CN=" + name + ",CN=Users," + domainDN }

// people is the policy of the domain, and its users. A password lives a day; those of all but a few never expire.
func people() string {
	const disabled, ordinary, lasting = 0x202, 0x200, 0x10200 // userAccountControl ([MS-ADTS] section 2.2.16)
	ldif := fmt.Sprintf("dn: %s\nchangetype: modify\n", domainDN)
	for _, policy := range []string{"pwdProperties: 0", "minPwdLength: 0", "minPwdAge: 0", "maxPwdAge: -864000000001",
		fmt.Sprint("lockoutThreshold: ", lockAfter)} {
		name, _, _ := strings.Cut(policy, ":")
		ldif += fmt.Sprintf("replace: %s\n%s\n-\n", name, policy)
	}
	for _, user := range []struct {
		name    string
		control int
		more    string
	}{
		{"reader", lasting, ""}, {"once", lasting, ""}, {"killed", lasting, ""}, {"relayed", lasting, ""},
		{"wrong", lasting, ""}, {"locked", lasting, ""}, {"disabled", disabled, ""}, {"must", ordinary, "pwdLastSet: 0\n"},
		{"ended", lasting, "accountExpires: 116444736000000001\n"}, // 1970
		{"hours", lasting, "logonHours:: " + base64.StdEncoding.EncodeToString(make([]byte, 21)) + "\n"},
		{"elsewhere", lasting, "userWorkstations: OTHER\n"},
	} {
		ldif += fmt.Sprintf("\ndn: %s\nchangetype: add\nobjectClass: user\nsAMAccountName: %[2]s\n"+
			"unicodePwd:: %[3]s\nuserAccountControl: %[4]d\n%[5]s", userDN(user.name), user.name,
			unicodePassword(goodPassword), user.control, user.more)
	}
	return ldif
}

// unicodePassword is a password as the attribute unicodePwd takes it ([MS-ADTS] section 3.1.1.3.1.5.1), in base64.
func unicodePassword(password string) string {
	var raw []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		raw = append(raw, byte(unit), byte(unit>>8))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// account is one that a check binds as.
type account struct {
	*domain
	user, dir string
}

// account is a user with a password file and a state folder of its own.
func (d *domain) account(t *testing.T, user, password string) account {
	t.Helper()
	a := account{domain: d, user: user, dir: shortDir(t)}
	a.write(t, password)
	return a
}

func (a account) passwordFile() string { return filepath.Join(a.dir, "password") }

func (a account) write(t *testing.T, password string) {
	t.Helper()
	if err := os.WriteFile(a.passwordFile(), []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a account) url() string { return "ldaps://127.0.0.1:636" }

// target is the check as a process has it that has just started.
func (a account) target() netcheck.LDAPSTarget {
	return netcheck.LDAPSTarget{
		Server: netcheck.Server{Host: "127.0.0.1", Port: 636, ServerName: controller, Roots: a.roots},
		BindDN: userDN(a.user), PasswordFile: a.passwordFile(), BaseDN: "CN=Users," + domainDN,
		Filter: "(objectClass=user)", MinEntries: 5, Directories: []string{a.url()},
		Refused: netcheck.NewRefusedSecrets(memory.Folder{State: filepath.Join(a.dir, "state")}),
	}
}

// run is a run of the check by a process that has just started.
func (a account) run(t *testing.T, edits ...func(*netcheck.LDAPSTarget)) check.Result {
	t.Helper()
	target := a.target()
	for _, edit := range edits {
		edit(&target)
	}
	return netcheck.LDAPS(target)(within(t, 10*time.Second))
}

// configuration is the same check for the binary, at a port.
func (a account) configuration(t *testing.T, port int) string {
	t.Helper()
	path := filepath.Join(a.dir, fmt.Sprintf("sallyport-%d.yaml", port))
	text := fmt.Sprintf("paths: {state: %[1]s/state, runtime: %[1]s/run}\nchecks:\n"+
		"  defaults: {timeout: 10s, interval: 20s}\n"+
		"  ldaps:\n    - {name: directory, url: \"ldaps://127.0.0.1:%[2]d\", server_name: %[3]s, bind_dn: %[4]q, "+
		"password_file: %[5]s, base_dn: %[6]q, filter: (objectClass=user), min_entries: 5}\n"+
		"trust: {roots: [%[7]s], java: \"off\"}\n",
		a.dir, port, controller, userDN(a.user), a.passwordFile(), "CN=Users,"+domainDN, a.caFile)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// process runs `sallyport check` with a configuration, and is what it printed.
func (a account) process(ctx context.Context, bin, configuration string, args ...string) (string, error) {
	args = append([]string{"check", "--config", configuration, "-o", "jsonl"}, args...)
	out, err := exec.CommandContext(ctx, bin, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 2 { // failing
		err = nil
	}
	return string(out), err
}
