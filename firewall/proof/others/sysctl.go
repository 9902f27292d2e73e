package others

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sallyport/check"
	"sallyport/firewall"
)

// Sysctl is a setting of the kernel that has to do with the verdict on packets.
type Sysctl struct {
	Name  string // as sysctl(8) has it
	Value string // empty where it could not be read
}

// sysctlNames are the settings that are looked at (Documentation/networking/ip-sysctl.rst, nf_conntrack-sysctl.rst).
func sysctlNames() []string {
	return []string{
		"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding",
		"net.ipv4.conf.all.rp_filter", "net.ipv4.conf.default.rp_filter",
		"net.netfilter.nf_conntrack_tcp_loose", "net.netfilter.nf_conntrack_tcp_be_liberal",
		"net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables",
		"net.ipv4.conf.all.accept_redirects", "net.ipv6.conf.all.accept_redirects",
		"net.ipv4.conf.all.accept_source_route",
		"net.ipv4.conf.all.route_localnet",
	}
}

// ReadSysctls reads the settings of the calling thread's network namespace under a proc (/proc). One that is not there,
// such as those of a module that is not loaded, has no value.
func ReadSysctls(proc string) []Sysctl {
	var list []Sysctl
	for _, name := range sysctlNames() {
		path := filepath.Join(proc, "sys", strings.ReplaceAll(name, ".", "/"))
		list = append(list, Sysctl{Name: name, Value: settingIn(path)})
	}
	return append(list, readLocalnet(filepath.Join(proc, "sys/net/ipv4/conf"))...)
}

const (
	localnet = "route_localnet"
	// maxLocalnet bounds the interfaces of which it is read.
	maxLocalnet = 256
)

// readLocalnet reads route_localnet of the interfaces that have it on: it holds for an interface where it is on for that
// one or for all (IN_DEV_ROUTE_LOCALNET, linux/inetdevice.h).
func readLocalnet(conf string) []Sysctl {
	var list []Sysctl
	interfaces, err := os.ReadDir(conf)
	if err != nil {
		return nil
	}
	for _, i := range interfaces[:min(len(interfaces), maxLocalnet)] {
		value := settingIn(filepath.Join(conf, i.Name(), localnet))
		if i.Name() != "all" && value != "" && value != "0" {
			list = append(list, Sysctl{Name: "net.ipv4.conf." + i.Name() + "." + localnet, Value: value})
		}
	}
	return list
}

func settingIn(path string) string {
	const most = 64
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// SysctlsCheck is the check of the kernel's settings.
func SysctlsCheck() check.Check {
	return check.Check{Name: "firewall.sysctls", Kind: check.KindFirewall, Target: "net sysctls"}
}

// SysctlsEvidence is what a result about settings carries.
type SysctlsEvidence struct {
	Sysctls []SysctlEvidence `json:"sysctls"`
}

// SysctlEvidence is one setting in the evidence of a result.
type SysctlEvidence struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	Why   string `json:"why,omitempty"` // what is to be known of it; empty where all is well
	Warn  bool   `json:"warn,omitempty"`
}

// Sysctls judges the settings by the policy: ok, or a warning with all that is to be said. None of them opens the host by
// itself, since the ruleset judges what they let through. It is pure.
func Sysctls(list []Sysctl, p firewall.Policy) check.Result {
	r := check.Result{Status: check.OK, Detail: "the kernel's settings agree with the policy"}
	evidence := make([]SysctlEvidence, 0, len(list))
	var warnings, remedies []string
	for _, s := range list {
		e := SysctlEvidence{Name: s.Name, Value: s.Value}
		if s.Value != "" {
			e.Why, e.Warn = judgeSysctl(s, p)
		}
		if e.Warn {
			warnings = append(warnings, fmt.Sprintf("%s=%s: %s", s.Name, s.Value, e.Why))
			remedies = append(remedies, s.Name)
		}
		evidence = append(evidence, e)
	}
	r.Evidence = SysctlsEvidence{Sysctls: evidence}
	if len(warnings) > 0 {
		r.Status, r.Cause = check.Warn, check.FirewallBypass
		r.Detail = first(warnings)
		r.Remedy = "Set to 0, in /etc/sysctl.d and with `sysctl -w`, if nothing here needs it: " +
			strings.Join(remedies, ", ")
	}
	return r
}

// judgeSysctl says what a setting means, and whether it is worth a warning.
func judgeSysctl(s Sysctl, p firewall.Policy) (why string, warn bool) {
	on := s.Value != "0"
	if number, err := strconv.Atoi(s.Value); err != nil || number < 0 {
		return "this value is not known", false
	}
	forwards := p.Forward != firewall.ForwardDrop
	switch _, setting, _ := strings.Cut(s.Name, "net."); setting {
	case "ipv4.ip_forward", "ipv6.conf.all.forwarding":
		if on && forwards {
			return "the host passes packets on, and forward: " + p.Forward.String() + " leaves it to others which", false
		}
		if on {
			return "the host would pass packets on; the policy's forward chain drops them as long as it is there", false
		}
	case "ipv4.conf.all.rp_filter", "ipv4.conf.default.rp_filter":
		if !on {
			return "sources are not checked by the kernel: the ruleset drops those that have no route back", false
		}
	case "netfilter.nf_conntrack_tcp_loose":
		if on {
			return "a packet from the middle of a connection is taken for the begin of one; the policy judges it all the " +
				"same, and what the host began before stays known", false
		}
	case "netfilter.nf_conntrack_tcp_be_liberal":
		if on {
			return "packets outside of a connection's window are not taken for invalid, answers to the host too", false
		}
	case "bridge.bridge-nf-call-iptables", "bridge.bridge-nf-call-ip6tables":
		if on {
			return "what is bridged here passes the forward chain too", false
		}
		return "what is bridged here, between containers or guests, does not pass the policy", false
	default:
		return judgeUnwanted(s.Name, on)
	}
	return "", false
}

// judgeUnwanted judges settings that a host with few ways in has no use for.
func judgeUnwanted(name string, on bool) (why string, warn bool) {
	switch {
	case !on:
		return "", false
	case strings.HasSuffix(name, localnet) && !strings.HasSuffix(name, "all."+localnet):
		return "packets for 127.0.0.0/8 are routed on this interface, as container engines have it for ports that they " +
			"publish on loopback; the ruleset drops those that come from outside as such", false
	case strings.HasSuffix(name, localnet):
		return "packets for 127.0.0.0/8 are routed: what a DNAT rule leads there reaches programs that listen on loopback " +
			"only, and the policy judges them by the port", true
	case strings.HasSuffix(name, "accept_source_route"):
		return "the sender says which way a packet takes, so that a made-up source gets the answers", true
	case strings.HasSuffix(name, "accept_redirects"):
		return "ICMP redirects would change the host's routes; the ruleset drops them", false
	}
	return "", false
}
