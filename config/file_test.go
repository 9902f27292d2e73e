package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// write makes a file of a mode in a new folder.
func write(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// refusal is the one error of a file; empty when it is accepted.
func refusal(t *testing.T, text string, opts Options) string {
	t.Helper()
	_, err := Parse("x.yaml", []byte(text), opts)
	if err == nil {
		return ""
	}
	var all Errors
	if !errors.As(err, &all) || len(all) != 1 {
		t.Fatalf("not one error: %v", err)
	}
	return all[0].Message + "; " + all[0].Mend
}

func directory(passwordFile string) string {
	const ldaps = "checks:\n  ldaps:\n    - {name: a, url: ldaps://a.example, bind_dn: \"CN=a\", password_file: %q}\n"
	return fmt.Sprintf(ldaps, passwordFile)
}

func TestPasswordFile(t *testing.T) {
	folder := t.TempDir()
	fifo := filepath.Join(folder, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ path, want string }{
		"good":           {write(t, "pw", "hunter2\n", 0o600), ""},
		"read-only":      {write(t, "pw", "hunter2", 0o400), ""},
		"group reads":    {write(t, "pw", "hunter2\n", 0o640), "others than its owner have rights on this file (mode 0640)"},
		"others read":    {write(t, "pw", "hunter2\n", 0o604), "mode 0604"},
		"others write":   {write(t, "pw", "hunter2\n", 0o602), "mode 0602"},
		"says the mend":  {write(t, "pw", "hunter2\n", 0o644), "chmod 600 /"},
		"empty":          {write(t, "pw", "", 0o600), "this file is empty"},
		"a line end":     {write(t, "pw", "\r\n", 0o600), "this file is empty"},
		"large":          {write(t, "pw", strings.Repeat("x", maxPassword+1), 0o600), "too large"},
		"largest":        {write(t, "pw", strings.Repeat("x", maxPassword), 0o600), ""},
		"missing":        {filepath.Join(folder, "none"), "there is no such file"},
		"folder":         {folder, "not a regular file"},
		"pipe":           {fifo, "not a regular file"},
		"device":         {"/dev/zero", "not a regular file"},
		"below a file":   {write(t, "pw", "x", 0o600) + "/pw", "not a directory"},
		"not absolute":   {"pw", "not an absolute path"},
		"other variable": {"${HOME}/pw", "no variable may stand here"},
	} {
		t.Run(name, func(t *testing.T) {
			got := refusal(t, directory(test.path), Options{Environ: noEnviron})
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if strings.Contains(got, "hunter2") {
				t.Error("the secret is shown")
			}
		})
	}
}

// TestKeyFile holds that a private key is looked after as a password is, but may be longer.
func TestKeyFile(t *testing.T) {
	const tls = "checks:\n  tls:\n    - {name: a, address: \"a.example:443\", client_certificate: " +
		"{certificate_file: %q, key_file: %q}}\n"
	certificate := write(t, "client.pem", "x", 0o644)
	long := strings.Repeat("hunter2", maxPassword)
	for name, test := range map[string]struct{ certificate, key, want string }{
		"good":        {certificate, write(t, "key", long, 0o600), ""},
		"group reads": {certificate, write(t, "key", long, 0o640), "and change the key if others could read it"},
		"large": {certificate, write(t, "key", strings.Repeat("x", maxKey+1), 0o600),
			"too large for a key; name a file that holds one private key"},
		"empty":          {certificate, write(t, "key", "", 0o600), "write the key to it"},
		"folder":         {certificate, t.TempDir(), "not a regular file"},
		"no key":         {certificate, certificate + "none", "there is no such file"},
		"no certificate": {certificate + "none", write(t, "key", long, 0o600), "there is no such file"},
	} {
		got := refusal(t, fmt.Sprintf(tls, test.certificate, test.key), Options{Environ: noEnviron})
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestCredentialsDirectory(t *testing.T) {
	// systemd shows a mode of 0440 where it grants the unit's user by access control list.
	path := write(t, "ldap-password", "hunter2", 0o440)
	environ := func(name string) string {
		if name == "CREDENTIALS_DIRECTORY" {
			return filepath.Dir(path)
		}
		return ""
	}
	c, err := Parse("x.yaml", []byte(directory("${CREDENTIALS_DIRECTORY}/ldap-password")), Options{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Checks.LDAPS[0].PasswordFile; got != path {
		t.Errorf("got %s, want %s", got, path)
	}
	for text, want := range map[string]string{
		"${CREDENTIALS_DIRECTORY}/none":          "there is no such file",
		"${CREDENTIALS_DIRECTORY}/../x":          "the name of one credential",
		"${CREDENTIALS_DIRECTORY}":               "the name of one credential",
		"${CREDENTIALS_DIRECTORY}x":              "the name of one credential",
		"${CREDENTIALS_DIRECTORY}/${HOME}":       "no variable may stand here",
		"/etc/${CREDENTIALS_DIRECTORY}/password": "no variable may stand here",
	} {
		if got := refusal(t, directory(text), Options{Environ: environ}); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	const good = "${CREDENTIALS_DIRECTORY}/ldap-password"
	if got := refusal(t, directory(good), Options{Environ: noEnviron}); !strings.Contains(got,
		"LoadCredential=ldap-password") {
		t.Errorf("unset: %q", got)
	}
	relative := func(string) string { return "run" }
	if got := refusal(t, directory(good), Options{Environ: relative}); !strings.Contains(got, "not an absolute path") {
		t.Errorf("relative: %q", got)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Dir(path))
	if got := refusal(t, directory(good), Options{}); got != "" {
		t.Errorf("from the process's own environment: %q", got)
	}
}

func TestNamedFilesMustBeReadable(t *testing.T) {
	file, empty := write(t, "ca.pem", "x", 0o644), t.TempDir()
	missing := filepath.Join(empty, "none")
	for name, test := range map[string]struct{ text, want string }{
		"file of roots":         {"trust: {roots: [" + file + "]}", ""},
		"folder of roots":       {"trust: {roots: [" + filepath.Dir(file) + "]}", ""},
		"empty folder of roots": {"trust: {roots: [" + empty + "]}", "there is nothing in this folder"},
		"no roots":              {"trust: {roots: [system, " + missing + "]}", "there is no such file"},
		"device as roots":       {"trust: {roots: [/dev/zero]}", "not a regular file"},
		"ca_file":               {"report: {syslog: [{to: \"tls://a.example\", ca_file: " + file + "}]}", ""},
		"no ca_file": {"report: {syslog: [{to: \"tls://a.example\", ca_file: " + missing + "}]}",
			"there is no such file"},
		"folder as ca_file": {"report: {syslog: [{to: \"tls://a.example\", ca_file: " + empty + "}]}",
			"a folder, not a file"},
		"no roots of a check": {"checks: {tls: [{name: a, address: \"a.example:443\", roots: [" + missing + "]}]}",
			"there is no such file"},
		"trust anchor": {"checks: {dns: [{name: a, query: a.example, dnssec: validate, trust_anchor: " + file + "}]}", ""},
		"no trust anchor": {"checks: {dns: [{name: a, query: a.example, dnssec: validate, trust_anchor: " + missing + "}]}",
			"there is no such file"},
		"no password of the proxy": {"checks: {defaults: {proxy: {address: \"a.example:1\", user: a, password_file: " +
			missing +
			"}}}", "there is no such file"},
		"no password of the stores": {"trust: {password_file: " + missing + "}", "there is no such file"},
		"paths are not looked at":   {"paths: {state: " + missing + "}", ""},
		"textfile neither":          {"report: {textfile: " + missing + "/a.prom}", ""},
		"nor what the service has":  {"service: {user: uds, config: " + missing + ", log: " + missing + "}", ""},
	} {
		if got := refusal(t, test.text+"\n", Options{}); (got == "") != (test.want == "") ||
			!strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
		if got := refusal(t, test.text+"\n", Options{SkipFiles: true}); got != "" {
			t.Errorf("%s, where no file is looked at: %q", name, got)
		}
	}
}
