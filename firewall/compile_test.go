package firewall

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func goldenPolicies() map[string]Policy {
	admins := Exception{Name: "ssh-admins", Ports: ports("22/tcp"), From: prefixes("10.20.0.0/24", "2001:db8:20::/64")}
	return map[string]Policy{
		"shut":    {NoManagement: true},
		"manage":  {Management: []Exception{admins}, Ping: true},
		"forward": {Management: []Exception{admins}, Forward: ForwardAccept},
		"many": {Management: []Exception{admins}, Ping: true, Allow: []Exception{
			{Name: "web", Any: true, Ports: ports("443/udp", "80/tcp", "443/tcp", "8000-8005/tcp", "8003-8010/tcp")},
			{
				Name: "metrics.1", Ports: ports("9100/tcp", "161-162/udp"),
				Interfaces: []string{"wg*", "wg0", "eth1", "eth0"},
				From: prefixes("10.9.0.0/25", "10.9.0.128/25", "10.9.0.7/32", "10.9.1.0/25",
					"2001:db8::/64", "2001:db8:0:1::/64"),
			},
			{Name: "to-the-end", Ports: ports("65000-65535/tcp", "65535/udp"),
				From: prefixes("240.0.0.0/4", "fec0::/10")},
		}},
		"containers": {Management: []Exception{admins}, Forward: ForwardContainers},
		"observe": {NoManagement: true, Egress: Egress{Mode: EgressObserve, To: []Destination{
			{Name: "anywhere", Any: true, Ports: ports("443/tcp")},
		}}},
		"enforce": {Management: []Exception{admins}, Egress: Egress{Mode: EgressEnforce, To: []Destination{
			{
				Name: "resolvers", Ports: ports("53/udp", "53/tcp"),
				To: prefixes("10.0.0.53/32", "10.0.0.54/32", "2001:db8::53/128"),
			},
			{
				Name: "directory", Ports: ports("636/tcp"), To: prefixes("10.0.0.10/32"),
				Names: []string{"dc2.corp.example.", "DC1.corp.example"}, Users: []uint32{4242, 0, 4242},
			},
			{Name: "console", Ports: ports("443/tcp", "4285-4287/tcp"), Names: []string{"console.us.code42.com"}},
			{Name: "backup", Ports: ports("22/tcp"), To: prefixes("10.0.0.11/32"), Users: []uint32{1000}},
		}}},
	}
}

// TestGoldenText pins the text of some policies, and has nft itself accept each.
func TestGoldenText(t *testing.T) {
	for name, policy := range goldenPolicies() {
		t.Run(name, func(t *testing.T) {
			rules, err := Compile(policy)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+".nft")
			if *update {
				if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if rules.String() != string(want) {
				t.Errorf("the text is not that of %s (go test -update writes it):\n%s", file, rules)
			}
			nftChecks(t, rules.String())
			nftChecks(t, rules.Script())
		})
	}
}

// nftChecks has nft check a text in a network namespace of its own.
func nftChecks(t *testing.T, text string) {
	t.Helper()
	unprepared := t.Skip
	if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
		unprepared = t.Fatal
	}
	path, err := exec.LookPath("nft")
	if err != nil {
		unprepared(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "-c", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 { // it did not even start
		unprepared(err)
	}
	if err != nil {
		t.Errorf("nft -c: %v\n%s\n%s", err, out, text)
	}
}

// TestExceptionsDoNotCross holds that the ports of one exception stand only beside its own sources.
func TestExceptionsDoNotCross(t *testing.T) {
	rules, err := Compile(goldenPolicies()["many"])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range rules.Chains {
		name, ok := strings.CutPrefix(c.Name, "in_")
		if !ok {
			continue
		}
		for _, r := range c.Rules {
			for _, s := range r.Statements {
				if l, ok := s.(Lookup); ok && l.Set != "in_"+name+"_4" && l.Set != "in_"+name+"_6" {
					t.Errorf("chain %s asks for the sources of another: %s", c.Name, r)
				}
			}
			if end := r.Statements[len(r.Statements)-2:]; end[0] != Statement(Counter{Name: "in_" + name}) {
				t.Errorf("chain %s: %s does not count for itself", c.Name, r)
			}
		}
	}
}

// TestBaseChainsAreConstant holds that base chains are the same for every policy, but for the policy's hash.
func TestBaseChainsAreConstant(t *testing.T) {
	base := make(map[string]string)
	for _, policy := range goldenPolicies() {
		rules, err := Compile(policy)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range rules.Chains {
			if c.Hook == nil {
				continue
			}
			if len(c.Rules) != 1 {
				t.Fatalf("base chain %s has %d rules, want one", c.Name, len(c.Rules))
			}
			c.Rules[0].Comment = ""
			hook := *c.Hook
			if c.Name == chainOutput { // observed or enforced: a policy changes in place
				hook.Drop = false
			}
			text := hook.String() + c.Rules[0].String()
			if before, ok := base[c.Name]; ok && before != text {
				t.Errorf("base chain %s: %s, and elsewhere %s", c.Name, text, before)
			}
			base[c.Name] = text
		}
	}
	if len(base) != 4 {
		t.Errorf("%d base chains, want prerouting, input, forward and output", len(base))
	}
}

// TestForwardAcceptHasNoForwardChain holds that what is not asked for is not there.
func TestForwardAcceptHasNoForwardChain(t *testing.T) {
	hashes := make(map[string]bool)
	for _, name := range []string{"forward", "containers"} {
		rules, err := Compile(goldenPolicies()[name])
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{chainForward + " ", chainForwarded, counterDropFwd} {
			if strings.Contains(rules.String(), "chain "+word) || strings.Contains(rules.String(), "counter "+word) {
				t.Errorf("%s: there is a %q:\n%s", name, word, rules)
			}
		}
		hashes[rules.PolicyHash()] = true
	}
	if len(hashes) != 2 {
		t.Error("the hash does not tell forwarding for containers from forwarding for all")
	}
}

// TestEgressOpenIsNothing holds that a policy that leaves egress open is the same, hash and all, whatever destinations it
// has for the day when it does not.
func TestEgressOpenIsNothing(t *testing.T) {
	guarded := goldenPolicies()["enforce"]
	open, bare := guarded, guarded
	open.Egress.Mode, bare.Egress = EgressOpen, Egress{}
	a, err := Compile(open)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Compile(bare)
	if err != nil {
		t.Fatal(err)
	}
	if a.String() != b.String() || strings.Contains(a.String(), "chain "+chainOutput) {
		t.Errorf("with destinations:\n%s\nwithout:\n%s", a, b)
	}
	if len(LearnedSets(open)) != 0 {
		t.Errorf("sets of names where none are: %v", LearnedSets(open))
	}
}

// TestDestinationsDoNotCross holds that the ports of one destination stand only beside its own addresses.
func TestDestinationsDoNotCross(t *testing.T) {
	rules, err := Compile(goldenPolicies()["enforce"])
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, c := range rules.Chains {
		name, ok := strings.CutPrefix(c.Name, exitPrefix)
		if !ok {
			continue
		}
		for _, r := range c.Rules {
			if end := r.Statements[len(r.Statements)-2:]; end[0] != Statement(Counter{Name: exitPrefix + name}) {
				t.Errorf("chain %s: %s does not count for itself", c.Name, r)
			}
			l, ok := r.Statements[0].(Lookup)
			stem := strings.TrimSuffix(strings.TrimSuffix(l.Set, "_4"), "_6")
			if !ok || stem != exitPrefix+name && stem != namePrefix+name {
				t.Errorf("chain %s asks for the addresses of another: %s", c.Name, r)
			}
			asked++
		}
	}
	if asked != 12 {
		t.Errorf("%d rules of destinations", asked)
	}
}

// TestLearnedSets holds that each name leads to the sets of every destination that has it, and that the sets are there.
func TestLearnedSets(t *testing.T) {
	policy := goldenPolicies()["enforce"]
	policy.Egress.To = append(policy.Egress.To,
		Destination{Name: "directory-plain", Ports: ports("389/tcp"), Names: []string{"dc1.CORP.example"}})
	rules, err := Compile(policy)
	if err != nil {
		t.Fatal(err)
	}
	got := LearnedSets(policy)
	want := map[string]NameSets{
		"console.us.code42.com": {V4: []string{"name_console_4"}, V6: []string{"name_console_6"}},
		"dc2.corp.example":      {V4: []string{"name_directory_4"}, V6: []string{"name_directory_6"}},
		"dc1.corp.example": {
			V4: []string{"name_directory_4", "name_directory-plain_4"},
			V6: []string{"name_directory_6", "name_directory-plain_6"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for name, sets := range got {
		for i, names := range [][]string{sets.V4, sets.V6} {
			for _, set := range names {
				at := slices.IndexFunc(rules.Sets, func(s Set) bool { return s.Name == set })
				if at < 0 || !rules.Sets[at].Timed || rules.Sets[at].Size != MaxLearned ||
					rules.Sets[at].Key[0] != []KeyType{IPv4Addr, IPv6Addr}[i] {
					t.Errorf("%s: the ruleset has no such set for it: %s", name, set)
				}
			}
		}
	}
}

// TestPolicyHash holds that the hash tells policies apart, and only those.
func TestPolicyHash(t *testing.T) {
	seen := make(map[string]string)
	for name, policy := range goldenPolicies() {
		rules, err := Compile(policy)
		if err != nil {
			t.Fatal(err)
		}
		hash := rules.PolicyHash()
		if len(hash) != len("sha256:")+64 || seen[hash] != "" {
			t.Errorf("%s has the hash %q, and so has %q", name, hash, seen[hash])
		}
		seen[hash] = name
		again, err := Compile(shuffled(policy, 1))
		if err != nil || again.PolicyHash() != hash {
			t.Errorf("%s in another order: %s, %v; want %s", name, again.PolicyHash(), err, hash)
		}
	}
	if got := (Ruleset{}).PolicyHash(); got != "" {
		t.Errorf("no ruleset has the hash %q", got)
	}
}

// FuzzCompile holds that no policy makes it panic, that its errors are those of Validate, and that the order in which a
// policy is written means nothing.
func FuzzCompile(f *testing.F) {
	for seed := range 20 {
		f.Add([]byte(strings.Repeat(string(rune('a'+seed))+"\x02\x04\x01\x00zq", 12)))
	}
	f.Add([]byte{0, 0, 0, 2, 1, 1, 1, 0, 0, 22, 40, 2, 0, 10, 0, 0, 0, 8, 1, 10, 1, 0, 0, 16, 1, 1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		policy := policyFrom(data)
		rules, err := Compile(policy)
		if (err != nil) != (policy.Validate() != nil) {
			t.Fatalf("Compile: %v, Validate: %v", err, policy.Validate())
		}
		if err != nil {
			return
		}
		again, err := Compile(shuffled(policy, uint64(len(data))))
		if err != nil {
			t.Fatal(err)
		}
		if rules.String() != again.String() {
			t.Fatalf("%+v in another order:\n%s\nwas\n%s", policy, again, rules)
		}
		if drift := Diff(rules, again); !drift.Empty() {
			t.Fatal(drift)
		}
	})
}
