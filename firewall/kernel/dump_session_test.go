package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sallyport/firewall/kernel/attribute"
	"testing"

	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

// answering is a session with a kernel that gives one answer.
func answering(t testing.TB, budget int, answer func(netlink.Message) ([]netlink.Message, error)) *session {
	t.Helper()
	conn := nltest.Dial(func(req []netlink.Message) ([]netlink.Message, error) {
		if len(req) == 0 {
			return nil, io.EOF
		}
		return answer(req[0])
	})
	s := &session{netlink: conn, release: func() bool { return true }, budget: budget}
	t.Cleanup(func() { _ = conn.Close() })
	return s
}

func TestAnswers(t *testing.T) {
	reply := func(flags netlink.HeaderFlags, shift uint32, data []byte) func(netlink.Message) ([]netlink.Message, error) {
		return func(m netlink.Message) ([]netlink.Message, error) {
			header := netlink.Header{Flags: flags, Sequence: m.Header.Sequence + shift, PID: m.Header.PID}
			return []netlink.Message{{Header: header, Data: data}}, nil
		}
	}
	refused := func(err error) func(netlink.Message) ([]netlink.Message, error) {
		return func(netlink.Message) ([]netlink.Message, error) { return nil, err }
	}
	whole := append(make([]byte, nfgenSize), attribute.String(1, "x")...)
	for name, test := range map[string]struct {
		answer func(netlink.Message) ([]netlink.Message, error)
		budget int
		want   error
	}{
		"whole":          {reply(0, 0, whole), 100, nil},
		"at the budget":  {reply(0, 0, whole), len(whole), nil},
		"over budget":    {reply(0, 0, whole), len(whole) - 1, ErrTooLarge},
		"interrupted":    {reply(unix.NLM_F_DUMP_INTR, 0, whole), 100, errInterrupted},
		"too short":      {reply(0, 0, []byte{1, 0, 0}), 100, attribute.ErrMalformed},
		"no rights":      {refused(unix.EPERM), 100, ErrNotPermitted},
		"no nfnetlink":   {refused(unix.EPROTONOSUPPORT), 100, ErrNoNftables},
		"overflow":       {refused(unix.ENOBUFS), 100, unix.ENOBUFS},
		"no such object": {refused(unix.ENOENT), 100, unix.ENOENT},
	} {
		t.Run(name, func(t *testing.T) {
			s, got := answering(t, test.budget, test.answer), 0
			err := s.ask(t.Context(), unix.NFT_MSG_GETTABLE, 0, nil, func([]byte) { got++ })
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if (got == 1) != (err == nil) {
				t.Errorf("%d answers were passed on", got)
			}
		})
	}
	t.Run("to another request", func(t *testing.T) {
		s := answering(t, 100, reply(0, 1, whole))
		if err := s.ask(t.Context(), unix.NFT_MSG_GETTABLE, 0, nil, func([]byte) {}); err == nil {
			t.Error("an answer to another request is taken")
		}
	})
}

func TestTransient(t *testing.T) {
	for _, err := range []error{errInterrupted, unix.ENOBUFS, unix.ENOENT} {
		if !transient(fmt.Errorf("kernel: %w", err)) {
			t.Errorf("%v is not tried again", err)
		}
	}
	for _, err := range []error{ErrNoTable, ErrNotPermitted, ErrTooLarge, context.Canceled} {
		if transient(fmt.Errorf("kernel: %w", err)) {
			t.Errorf("%v is tried again", err)
		}
	}
}

// TestGenerationTellsNoNftables holds that a kernel whose nfnetlink knows no nf_tables is named as such: it answers a
// request without attributes with EINVAL.
func TestGenerationTellsNoNftables(t *testing.T) {
	s := answering(t, 100, func(netlink.Message) ([]netlink.Message, error) { return nil, unix.EINVAL })
	if _, err := s.generation(t.Context()); !errors.Is(err, ErrNoNftables) {
		t.Error(err)
	}
}

func TestDumpNotPermitted(t *testing.T) {
	newNamespace(t)
	loadNft(t, hostRuleset(t))
	dropNetAdmin(t)
	if _, err := open4Test(t).Dump(t.Context()); !errors.Is(err, ErrNotPermitted) {
		t.Errorf("Dump without CAP_NET_ADMIN: %v", err)
	}
}

// TestErrorsSayEachThingOnce holds the whole sentences that a person reads.
func TestErrorsSayEachThingOnce(t *testing.T) {
	newNamespace(t)
	_, err := open4Test(t).Dump(t.Context())
	if want := "kernel: table inet sallyport: not there"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	dropNetAdmin(t)
	const refused = "kernel: nftables needs CAP_NET_ADMIN (run as root): operation not permitted"
	if _, err := open4Test(t).Dump(t.Context()); err == nil || err.Error() != refused {
		t.Errorf("%v, want %s", err, refused)
	}
	if _, err := open4Test(t).Read(t.Context()); err == nil || err.Error() != refused {
		t.Errorf("%v, want %s", err, refused)
	}
	const none = "no nf_tables: load the module nf_tables, or take a kernel built with it: protocol not supported"
	if err := reason(&netlink.OpError{Op: "dial", Err: unix.EPROTONOSUPPORT}); err.Error() != none {
		t.Errorf("%v, want %s", err, none)
	}
}
