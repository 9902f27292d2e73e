package others_test

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/proof/others"
)

// webPolicy names a web server for all besides the administrators.
func webPolicy() firewall.Policy {
	p := hostPolicy()
	p.Allow = []firewall.Exception{{
		Name: "web", Any: true, Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 80, Last: 80}},
	}}
	return p
}

// wanted is what a case of testdata/rules.txt wants to be told first; nothing where grade is unknown.
type wanted struct {
	script, rule, detail string
	grade                check.Status
	cause                check.Cause
}

// cases reads testdata/rules.txt: a name after ##, a script for nft, and after > what is to be told: a grade and a cause,
// the rule, and a part of the detail.
func cases(t *testing.T) map[string]wanted {
	t.Helper()
	text, err := os.ReadFile("testdata/rules.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := make(map[string]wanted)
	for block := range strings.SplitSeq(string(text), "\n\n") {
		name, rest, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(block), "## "), "\n")
		var w wanted
		for line := range strings.SplitSeq(rest, "\n") {
			told, ok := strings.CutPrefix(line, "> ")
			rule, isRule := strings.CutPrefix(told, "rule ")
			grade, cause, isGrade := strings.Cut(told, " firewall.")
			switch {
			case !ok:
				w.script += line + "\n"
			case isRule:
				w.rule = rule
			case isGrade:
				w.cause = check.Cause("firewall." + cause)
				if err := w.grade.UnmarshalText([]byte(grade)); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			case told != "nothing":
				w.detail = told
			}
		}
		list[name] = w
	}
	if len(list) < 50 {
		t.Fatalf("only %d cases", len(list))
	}
	return list
}

// TestInterference loads one thing of others at a time, and holds what is told of it and that it stays as it was.
func TestInterference(t *testing.T) {
	for name, want := range cases(t) {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			newNamespace(t)
			run(t, want.script, "nft -f -")
			before := untouched(t)
			findings := others.Interference(takeCensus(t), webPolicy())
			if untouched(t) != before {
				t.Error("it was changed by looking")
			}
			if want.grade == check.Unknown {
				if len(findings) > 0 {
					t.Errorf("told: %+v", findings)
				}
				return
			}
			if len(findings) == 0 {
				t.Fatal("nothing is told")
			}
			f := findings[0]
			if f.Grade != want.grade || f.Cause != want.cause || want.rule != "" && f.Rule != want.rule ||
				!strings.Contains(f.Detail, want.detail) || !strings.HasSuffix(f.Table, " x") {
				t.Errorf("told: %+v", findings)
			}
		})
	}
}

// outDrop is a rule where the host's packets leave.
func outDrop(rule string) string {
	return "add table inet x\nadd chain inet x c { type filter hook output priority 0; }\nadd rule inet x c " + rule
}

// TestEgressIsKept names a destination that another drops.
func TestEgressIsKept(t *testing.T) {
	newNamespace(t)
	run(t, outDrop("tcp dport 636 drop")+"\n", "nft -f -")
	p := hostPolicy()
	p.Egress = firewall.Egress{Mode: firewall.EgressEnforce, To: []firewall.Destination{{
		Name: "directory", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 636, Last: 636}},
		To: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")},
	}}}
	findings := others.Interference(takeCensus(t), p)
	if len(findings) != 1 || findings[0].Grade != check.Warn ||
		!strings.Contains(findings[0].Detail, "directory (636/tcp)") {
		t.Errorf("told: %+v", findings)
	}
	p.Egress.Mode = firewall.EgressOpen
	if findings := others.Interference(takeCensus(t), p); len(findings) != 0 {
		t.Errorf("told of a policy that leaves egress open: %+v", findings)
	}
}

// TestFindingsAreBounded fills a host with rules: the worst come first, and no more than fifty.
func TestFindingsAreBounded(t *testing.T) {
	newNamespace(t)
	var b strings.Builder
	b.WriteString("add table inet x\nadd chain inet x c { type filter hook input priority 0; }\n")
	for range 200 {
		b.WriteString("add rule inet x c tcp dport 80 ip saddr 198.51.100.0/24 drop\n")
	}
	b.WriteString("add rule inet x c tcp dport 22 drop\n")
	run(t, b.String(), "nft -f -")
	findings := others.Interference(takeCensus(t), webPolicy())
	if len(findings) != 50 || findings[0].Grade != check.Fail {
		t.Errorf("%d are told, the first %+v", len(findings), findings[0])
	}
	if !slices.IsSortedFunc(findings, func(a, b others.Finding) int {
		return check.Worst(b.Grade).ExitCode() - check.Worst(a.Grade).ExitCode()
	}) {
		t.Error("the worst do not come first")
	}
}
