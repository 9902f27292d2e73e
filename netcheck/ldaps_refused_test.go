package netcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"

	"sallyport/check"
	"sallyport/netcheck/memory"
)

// settled writes a password file, and waits until it is one that was written a while ago.
func settled(t *testing.T, path, content string) {
	t.Helper()
	writeFile(t, path, content)
	eventually(t, "the file settles", func() bool {
		s, err := readSecret(path)
		return err == nil && s.stamp != stamp{}
	})
}

// remembering is the target as a process that has just started has it.
func remembering(target LDAPSTarget, state string) LDAPSTarget {
	target.Refused = NewRefusedSecrets(memory.Folder{State: state})
	return target
}

// bound is the cause of a run of a process that has just started.
func bound(t *testing.T, target LDAPSTarget, state string) check.Result {
	t.Helper()
	return LDAPS(remembering(target, state))(withTimeout(t, 5*time.Second))
}

// TestLDAPSRefusedAcrossRestarts has each run by a process of its own.
func TestLDAPSRefusedAcrossRestarts(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	state := filepath.Join(t.TempDir(), "state")
	target := s.target(t, "cn=wrong,dc=test")
	writeFile(t, target.PasswordFile, "bad")
	if r := bound(t, target, state); r.Cause != check.LDAPInvalidCredentials {
		t.Fatalf("got %q: %s; want that it is refused", r.Cause, r.Detail)
	}
	held := func(why string, target LDAPSTarget) {
		t.Helper()
		r := bound(t, target, state)
		if r.Cause != check.LDAPNotRetried || !strings.Contains(r.Detail, "127.0.0.1:") ||
			!strings.Contains(r.Detail, string(check.LDAPInvalidCredentials)) ||
			!strings.Contains(r.Remedy, "--retry-refused") {
			t.Errorf("%s: %q: %s; %s", why, r.Cause, r.Detail, r.Remedy)
		}
	}
	for range 3 {
		held("the same", target)
	}
	settled(t, target.PasswordFile, "bad\n")
	held("the same, written anew", target)
	other := target
	other.PasswordFile = secretFile(t, "bad")
	held("the same, in another file", other)
	if got := s.bindsOf("cn=wrong,dc=test"); got != 1 {
		t.Errorf("%d binds; want 1", got)
	}
	if text := kept(t, state); strings.Contains(text, "bad") || !strings.Contains(text, "cn=wrong") {
		t.Errorf("what is kept: %s", text)
	}
	other.Directories = []string{"ldaps://elsewhere"}
	if r := bound(t, other, state); r.Cause != check.LDAPInvalidCredentials {
		t.Errorf("another configuration: %q: %s; want one more try", r.Cause, r.Detail)
	}
	refused := remembering(target, state).Refused
	if err := refused.Release(t.Context(), "CN=wrong,DC=test"); err != nil {
		t.Error(err)
	}
	if r := bound(t, target, state); r.Cause != check.LDAPInvalidCredentials {
		t.Errorf("released: %q: %s; want one more try", r.Cause, r.Detail)
	}
	settled(t, target.PasswordFile, "pw")
	for range 2 {
		if r := bound(t, target, state); r.Status != check.OK {
			t.Errorf("the right one: %q: %s", r.Cause, r.Detail)
		}
	}
	if text := kept(t, state); strings.Contains(text, "digest\": \"") && !strings.Contains(text, "elsewhere") {
		t.Errorf("of the right one is kept: %s", text)
	}
}

// kept is all that is kept in a state folder.
func kept(t *testing.T, state string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(state, "memory", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		all.WriteString(readFile(t, file))
	}
	return all.String()
}

// TestLDAPSRunningSeesRelease holds that a process that holds a password back tries it when another has released it, or
// has removed the file.
func TestLDAPSRunningSeesRelease(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	state := t.TempDir()
	target := s.target(t, "cn=wrong,dc=test")
	writeFile(t, target.PasswordFile, "bad")
	running := LDAPS(remembering(target, state))
	want := func(cause check.Cause) {
		t.Helper()
		if r := running(withTimeout(t, 5*time.Second)); r.Cause != cause {
			t.Errorf("got %q: %s; want %s", r.Cause, r.Detail, cause)
		}
	}
	want(check.LDAPInvalidCredentials)
	want(check.LDAPNotRetried)
	if err := remembering(target, state).Refused.Release(t.Context(), target.BindDN); err != nil {
		t.Fatal(err)
	}
	want(check.LDAPInvalidCredentials)
	want(check.LDAPNotRetried)
	if err := os.RemoveAll(filepath.Join(state, "memory")); err != nil {
		t.Fatal(err)
	}
	want(check.LDAPInvalidCredentials)
	want(check.LDAPNotRetried)
}

// TestLDAPSGoodPasswordCostsNoWrite holds that a password that succeeds is written down once, and that no later run
// touches a file: not even the folder is needed.
func TestLDAPSGoodPasswordCostsNoWrite(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	state := filepath.Join(t.TempDir(), "state")
	target := s.target(t, "cn=reader,dc=test")
	settled(t, target.PasswordFile, "pw")
	run := LDAPS(remembering(target, state))
	ok := func(run func(context.Context) check.Result) {
		t.Helper()
		if r := run(withTimeout(t, 5*time.Second)); r.Status != check.OK {
			t.Errorf("got %q: %s", r.Cause, r.Detail)
		}
	}
	ok(run)
	file := newAccount("cn=reader,dc=test", memory.Folder{State: state}).file
	before, err := file.State()
	if err != nil || before == (memory.State{}) {
		t.Fatalf("nothing is kept: %v", err)
	}
	ok(run)
	ok(LDAPS(remembering(target, state))) // another process
	if after, err := file.State(); err != nil || after != before {
		t.Errorf("it was written again: %+v, then %+v, %v", before, after, err)
	}
	if err := errors.Join(os.RemoveAll(state), os.WriteFile(state, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	ok(run)
}

// TestLDAPSNowhereToWrite holds that no password is sent that could be sent again after a restart.
func TestLDAPSNowhereToWrite(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	target := s.target(t, "cn=reader,dc=test")
	state := filepath.Join(t.TempDir(), "state")
	writeFile(t, state, "no folder")
	r := bound(t, target, state)
	if r.Cause != check.LDAPNotRetried || !strings.Contains(r.Remedy, "paths.state") ||
		!strings.Contains(r.Detail, "not a directory") {
		t.Errorf("got %q: %s; %s", r.Cause, r.Detail, r.Remedy)
	}
	if got := s.bindsOf("cn=reader,dc=test"); got != 0 {
		t.Errorf("%d binds; want none", got)
	}
}

// TestLDAPSUnanswered holds that a password of which nobody knows what came is held back for a while, and not for ever.
func TestLDAPSUnanswered(t *testing.T) {
	t.Parallel()
	pki := newDirectoryPKI(t)
	config := &tls.Config{Certificates: []tls.Certificate{pki.pair}}
	silent := startLDAPFake(t, config, func(io.Writer, ber.Tag, int64, int) bool { return true })
	target := LDAPSTarget{Server: Server{Host: "127.0.0.1", Port: silent, Roots: pki.roots}, BindDN: "cn=x",
		PasswordFile: secretFile(t, "pw"), BaseDN: "dc=test"}
	state := t.TempDir()
	run := func(cause check.Cause, detail string) {
		t.Helper()
		r := LDAPS(remembering(target, state))(withTimeout(t, 500*time.Millisecond))
		if r.Cause != cause || !strings.Contains(r.Detail, detail) {
			t.Errorf("got %q: %s; want %s with %q", r.Cause, r.Detail, cause, detail)
		}
	}
	run(check.LDAPTimeout, "no answer in time")
	run(check.LDAPNotRetried, "what came of it is not known")
	aged(t, "cn=x", state)
	run(check.LDAPTimeout, "no answer in time")
}

// TestLDAPSGoodPasswordUnanswered holds that silence does not hold back a password that has succeeded, in this process or
// in one before.
func TestLDAPSGoodPasswordUnanswered(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	state := t.TempDir()
	target := s.target(t, "cn=reader,dc=test")
	target.Directories = []string{"both"}
	settled(t, target.PasswordFile, "pw")
	if r := bound(t, target, state); r.Status != check.OK {
		t.Fatalf("got %q: %s", r.Cause, r.Detail)
	}
	config := &tls.Config{Certificates: []tls.Certificate{s.pair}}
	target.Port = startLDAPFake(t, config, func(io.Writer, ber.Tag, int64, int) bool { return true })
	for range 2 {
		r := LDAPS(remembering(target, state))(withTimeout(t, 300*time.Millisecond))
		if r.Cause != check.LDAPTimeout {
			t.Errorf("got %q: %s; want a timeout each time", r.Cause, r.Detail)
		}
	}
}

// aged makes all that is kept of a user half an hour older.
func aged(t *testing.T, user, state string) {
	t.Helper()
	file := newAccount(user, memory.Folder{State: state}).file
	b, err := file.Read()
	if err != nil || len(b.Tries) == 0 {
		t.Fatalf("nothing is kept: %v", err)
	}
	for i := range b.Tries {
		b.Tries[i].Since = b.Tries[i].Since.Add(-forgetUnknown)
	}
	if err := file.Write(b); err != nil {
		t.Fatal(err)
	}
}

// TestLDAPSKilledWhileTrying has a process end between the mark and the answer, as kill -9 ends it.
func TestLDAPSKilledWhileTrying(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	state := t.TempDir()
	target := s.target(t, "cn=reader,dc=test")
	secret, err := readSecret(target.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	dying := remembering(target, state).Refused.of(target.BindDN)
	mark, err := dying.begin(t.Context(), target.String(), "192.0.2.1:636", secret)
	if err != nil {
		t.Fatal(err)
	}
	if r := LDAPS(remembering(target, state))(withTimeout(t, 300*time.Millisecond)); r.Cause != check.LDAPTimeout ||
		!strings.Contains(r.Detail, "another process") {
		t.Errorf("while it tries: %q: %s; want that another process binds", r.Cause, r.Detail)
	}
	mark.release() // as the kernel does
	r := bound(t, target, state)
	if r.Cause != check.LDAPNotRetried || !strings.Contains(r.Detail, "192.0.2.1:636") ||
		!strings.Contains(r.Detail, "not known") {
		t.Errorf("after it has died: %q: %s; want it held back", r.Cause, r.Detail)
	}
	if got := s.bindsOf("cn=reader,dc=test"); got != 0 {
		t.Errorf("%d binds; want none", got)
	}
	aged(t, target.BindDN, state)
	if r := bound(t, target, state); r.Status != check.OK {
		t.Errorf("half an hour later: %q: %s", r.Cause, r.Detail)
	}
}

func TestLDAPSUnreadablePassword(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	target := s.target(t, "cn=reader,dc=test")
	target.PasswordFile = filepath.Join(t.TempDir(), "missing")
	r := LDAPS(target)(withTimeout(t, 5*time.Second))
	if r.Cause != check.LDAPInvalidCredentials || !strings.Contains(r.Detail, "no such file") ||
		!strings.Contains(r.Remedy, "nothing was tried") || !strings.Contains(r.Remedy, target.PasswordFile) {
		t.Errorf("got %q: %s; %s", r.Cause, r.Detail, r.Remedy)
	}
}
