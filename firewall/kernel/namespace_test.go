package kernel

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sallyport/firewall"
)

// childOf is how a test asks this binary to be a process of another user.
const childOf = "SALLYPORT_TEST_GOLDEN"

func TestMain(m *testing.M) {
	RehearseMain(echo())
	if os.Getenv(childOf) != "" {
		os.Exit(goldenAsStranger())
	}
	os.Exit(m.Run())
}

// echo is an errand that says what it was told, and fails if it is told nothing.
func echo() Errand {
	return Errand{Name: "echo", Do: func(_ context.Context, r firewall.Ruleset, order []byte) ([]byte, error) {
		if len(order) == 0 {
			return nil, errors.New("told nothing")
		}
		return append(order, r.String()...), nil
	}}
}

func TestInChild(t *testing.T) {
	r := compile(t, wide(2))
	answer, err := InChild(t.Context(), "echo", r, []byte("order "))
	if errors.Is(err, ErrNoNamespace) {
		unprepared(t, "%v", err)
	}
	if err != nil || string(answer) != "order "+r.String() {
		t.Errorf("answered %q: %v", answer, err)
	}
	for errand, want := range map[string]string{
		"echo":    `in a child: "told nothing"`,
		"unknown": `was not given to RehearseMain`,
	} {
		if _, err := InChild(t.Context(), errand, r, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", errand, err, want)
		}
	}
}

// goldenAsStranger prints the hash of a rehearsal by a process without any right.
func goldenAsStranger() int {
	r, err := firewall.Compile(wide(100))
	if err != nil {
		panic(err)
	}
	d, err := Golden(context.Background(), r)
	if err != nil {
		panic(err)
	}
	sum := d.Hash()
	if _, err := os.Stdout.Write(sum[:]); err != nil {
		panic(err)
	}
	return 0
}

func goldenOf(t testing.TB, r firewall.Ruleset) Dump {
	t.Helper()
	d, err := Golden(t.Context(), r)
	if errors.Is(err, ErrNoNamespace) {
		unprepared(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestGoldenIsWhatApplyLeaves(t *testing.T) {
	r := compile(t, wide(100))
	golden := goldenOf(t, r)
	newNamespace(t)
	c := open4Test(t)
	if err := c.Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	live, err := c.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !live.Equal(golden) {
		t.Errorf("live:\n%s\nrehearsed:\n%s", live, golden)
	}
}

func TestGoldenInAChild(t *testing.T) {
	r := compile(t, wide(100))
	want := goldenOf(t, r)
	s, err := goldenChild(t.Context(), r)
	if err != nil {
		unprepared(t, "a child in a user namespace: %v", err)
	}
	got, err := newDump(s)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(want) {
		t.Errorf("in a child:\n%s\non a thread:\n%s", got, want)
	}
}

// TestGoldenOfANobody runs the whole of Golden as a user without rights.
func TestGoldenOfANobody(t *testing.T) {
	want := goldenOf(t, compile(t, wide(100))).Hash()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const nobody = "65534"
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		unprepared(t, "%v", err)
	}
	// The binary lies in a folder that nobody else may enter: its descriptor can be run all the same.
	binary, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = binary.Close() }()
	cmd := exec.CommandContext(t.Context(), setpriv, "--reuid", nobody, "--regid", nobody, "--clear-groups",
		"/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{binary}
	cmd.Env = []string{childOf + "=1"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		unprepared(t, "as nobody: %v: %s", err, stderr.String())
	}
	if !bytes.Equal(out, want[:]) {
		t.Errorf("rehearsed as nobody: %x, as root: %x", out, want)
	}
}

func TestDormantGolden(t *testing.T) {
	r := compile(t, wide(100))
	want := goldenOf(t, r)
	newNamespace(t)
	c := open4Test(t)
	runNft(t, "table inet sallyport-rehearsal {\nchain left_behind {\n}\nset s {\ntype mark\n}\n}\n", "-f", "-")
	for _, dormant := range []bool{false, true} {
		r.Dormant = dormant
		got, err := c.dormantGolden(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got.Equal(want) == dormant || got.Dormant() != dormant {
			t.Errorf("dormant %v:\n%s\nin a namespace:\n%s", dormant, got, want)
		}
	}
	if left := runNft(t, "", "list", "ruleset"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}

func TestRehearseRefusesItsParentsNamespace(t *testing.T) {
	newNamespace(t) // so that a failure does no harm
	here, err := networkNamespace()
	if err != nil {
		t.Fatal(err)
	}
	registerWire()
	for _, namespace := range []string{here, ""} {
		var in, out bytes.Buffer
		r := request{Namespace: namespace, Errand: golden().Name, Ruleset: toWire(compile(t, wide(1)))}
		if err := gob.NewEncoder(&in).Encode(r); err != nil {
			t.Fatal(err)
		}
		err := runErrand(t.Context(), []Errand{golden()}, &in, &out)
		if !errors.Is(err, ErrNoNamespace) || childExit(err) == childFailed {
			t.Errorf("namespace %q: %v", namespace, err)
		}
	}
	if left := runNft(t, "", "list", "ruleset"); left != "" {
		t.Errorf("written:\n%s", left)
	}
}

func TestGoldenInAChildFails(t *testing.T) {
	r := firewall.Ruleset{Chains: []firewall.Chain{{Name: "c", Rules: []firewall.Rule{{
		Statements: []firewall.Statement{firewall.Verdict{Kind: firewall.Jump, Chain: "nowhere"}},
	}}}}}
	s, err := goldenChild(t.Context(), r)
	if err == nil || len(s.Table) > 0 {
		t.Fatalf("a jump to nowhere was rehearsed: %v", s)
	}
	if errors.Is(err, errNoChild) {
		unprepared(t, "%v", err)
	}
	if !strings.Contains(err.Error(), "in a child: ") {
		t.Error(err)
	}
}

func TestInNamespaceIsAlone(t *testing.T) {
	before, err := networkNamespace()
	if err != nil {
		t.Fatal(err)
	}
	inside := ""
	err = InNamespace(t.Context(), func(context.Context) error {
		var err error
		if inside, err = networkNamespace(); err != nil {
			return err
		}
		interfaces, err := net.Interfaces()
		if len(interfaces) != 1 || interfaces[0].Flags&net.FlagUp != 0 {
			t.Errorf("interfaces in a fresh namespace: %v", interfaces)
		}
		return err
	})
	if errors.Is(err, ErrNoNamespace) {
		unprepared(t, "%v", err)
	}
	after, _ := networkNamespace()
	if err != nil || inside == before || after != before {
		t.Errorf("before %s, inside %s, after %s: %v", before, inside, after, err)
	}
}

func TestInNamespaceErrors(t *testing.T) {
	boom := errors.New("boom")
	err := InNamespace(t.Context(), func(context.Context) error { return boom })
	if errors.Is(err, ErrNoNamespace) {
		unprepared(t, "%v", err)
	}
	if !errors.Is(err, boom) {
		t.Errorf("the function's error is lost: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := InNamespace(ended, func(context.Context) error { t.Error("was run"); return nil }); err == nil {
		t.Error("no error from a context that has ended")
	}
}

// TestWire holds that every statement and value comes through gob as it was.
func TestWire(t *testing.T) {
	group0, group4 := uint16(0), uint16(4)
	r := compile(t, wide(4))
	r.Chains = append(r.Chains, firewall.Chain{Name: "all", Hook: &firewall.Hook{Name: "input"}, Rules: []firewall.Rule{{
		Comment: "c", Statements: []firewall.Statement{
			firewall.FIBMissing{}, firewall.Log{Prefix: "a", Group: &group0}, firewall.Log{Group: &group4},
			firewall.Log{Level: firewall.LevelInfo}, firewall.Counter{}, firewall.Counter{Name: "n"},
			firewall.Limit{Rate: 1, Per: firewall.Minute, Burst: 2}, firewall.Opaque{Text: "x"},
			firewall.Add{
				Set: "s", Fields: []firewall.Field{firewall.IPSaddr}, Limit: &firewall.Limit{Rate: 6, Per: firewall.Hour},
			},
			firewall.Match{Field: firewall.MetaIIFName, Not: true, Values: []firewall.Value{firewall.Name("e*")}},
			firewall.Match{Field: firewall.TCPDport, Values: []firewall.Value{firewall.Range{First: 0, Last: 9}}},
			add("s", firewall.IPDaddr, firewall.MetaSKUID), flags(0, firewall.FlagSYN), reject(firewall.TCPReset),
			firewall.Verdict{Kind: firewall.Goto, Chain: "c"},
		},
	}}})
	registerWire()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(toWire(r)); err != nil {
		t.Fatal(err)
	}
	var got firewall.Ruleset
	if err := gob.NewDecoder(&b).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got = fromWire(got); got.String() != r.String() {
		t.Errorf("sent:\n%s\ncame:\n%s", r, got)
	}
}

func TestChildIsBounded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	if _, err := goldenChild(ctx, compile(t, wide(1))); err == nil {
		t.Error("no error after the deadline")
	}
	b := &limitedBuffer{limit: 4}
	if _, err := b.Write([]byte("12345")); !errors.Is(err, errTooMuch) {
		t.Errorf("five bytes into four: %v", err)
	}
}
