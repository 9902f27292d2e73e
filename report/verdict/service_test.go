package verdict

import (
	"strings"
	"testing"

	"sallyport/check"
)

// stuck is a connection of the service's without an answer.
func stuck(label string) check.Endpoint {
	return check.Endpoint{
		Address: label, Status: check.Fail, Cause: check.ConnectTimeout, Detail: "no answer from " + label + " for 7 s",
	}
}

// plain is a connection of the service's to a port without encryption.
func plain(label string) check.Endpoint {
	return check.Endpoint{Address: label, Status: check.Fail, Cause: check.PostureOutboundEncrypted,
		Detail: "a connection to " + label + ", which is LDAP without encryption"}
}

// meets is the result of the service's check for what it meets at its connections.
func meets(met ...check.Endpoint) check.Result {
	var details []string
	for _, e := range met {
		details = append(details, e.Detail)
	}
	return check.Result{
		Check: "service", Kind: check.KindService, Target: "user uds", Status: check.Fail, Cause: met[0].Cause,
		Detail: strings.Join(details, "; "), Remedy: "Mend what the service meets.", Evidence: evidence{meets: met},
	}
}

// complains is the result of the service's check where its log alone says that something is wrong.
func complains(cause check.Cause, text string, agree ...string) check.Result {
	return check.Result{
		Check: "service", Kind: check.KindService, Target: "user uds", Status: check.Warn, Cause: cause,
		Detail: "no connection of uds now; its log said 3 s ago: " + text, Remedy: "See uds.log around that line.",
		Evidence: evidence{complains: map[string][]string{text: agree}},
	}
}

func serviceScenarios() map[string]scenario {
	const silent = check.ConnectTimeout
	dc := func(name string, cause check.Cause, at string) check.Result {
		return made(name, "ldaps", name+".corp.example:636", check.Fail, cause, at)
	}
	says := `"javax.net.ssl.SSLHandshakeException: PKIX path building failed"`
	told := made("console", "tls", "console.example:443", check.Fail, check.CertUnknownAuthority, "203.0.113.7:443")
	told.Detail += "; the service says so too, at 12:00:01 UTC: " + says
	dropped := networkScenarios()["port-dropped"]
	beyond := networkScenarios()["gateway-silent"]
	down := networkScenarios()["host-down"]
	return map[string]scenario{
		"service-host-down": {down.facts, append(down.results, meets(stuck("dc1.corp.example:636 (10.0.0.36)")))},
		"service-same-server": {Facts{}, []check.Result{
			dc("dc1", silent, "10.0.0.7:636"), meets(stuck("10.0.0.7:636")), cloud(), resolves(),
		}},
		"service-same-host": {Facts{}, []check.Result{ // by another of its addresses
			dc("dc1", silent, "10.0.0.7:636"), meets(stuck("dc1.corp.example:636 (10.0.0.8)")), cloud(),
		}},
		"service-port-dropped":   {dropped.facts, append(dropped.results, meets(stuck("192.0.2.9:636")))},
		"service-gateway-silent": {beyond.facts, append(beyond.results, meets(stuck("198.51.100.9:443")))},
		"service-blocked-here": {Facts{}, []check.Result{
			dc("dc1", check.ConnectBlockedHere, "10.0.0.7:636"), meets(stuck("10.0.0.7:636")), cloud(),
		}},
		"service-proxy": {Facts{}, []check.Result{
			with(made("console", "tls", "console.example:443", check.Fail, check.ProxyRefused,
				"console.example:443 via 10.0.0.8:3128"), evidence{proxy: "10.0.0.8:3128"}),
			meets(stuck("10.0.0.8:3128")), resolves(),
		}},
		"service-stuck-alone": {Facts{}, []check.Result{
			meets(stuck("10.0.0.7:636")), dc("dc2", silent, "10.0.0.8:636"), directory(), cloud(),
		}},
		"service-stuck-beside-a-closed-port": {Facts{}, []check.Result{
			made("dc1-web", "tls", "dc1.corp.example:443", check.Fail, check.ConnectRefused, "10.0.0.7:443"),
			meets(stuck("dc1.corp.example:636 (10.0.0.7)")),
		}},
		"service-stuck-where-tls-fails": {Facts{}, []check.Result{
			dc("dc1", check.CertExpired, "10.0.0.7:636"), meets(stuck("dc1.corp.example:636 (10.0.0.7)")),
		}},
		"service-stuck-where-a-name-fails": {Facts{}, []check.Result{
			unresolved("dc1", "ldaps", "dc1.corp.example:636", check.DNSTimeout, "10.0.0.53:53"),
			meets(stuck("dc1.corp.example:636 (10.0.0.7)")),
		}},
		"service-stuck-at-the-address-that-answers": {Facts{}, []check.Result{
			made("directory", "ldaps", "dc.corp.example:636", check.Warn, silent, "10.0.0.7:636=ok", "10.0.0.8:636"),
			meets(stuck("dc.corp.example:636 (10.0.0.7)")),
		}},
		"service-warned-of": {Facts{}, []check.Result{ // by a check that has another server: the service has not
			made("directory", "ldaps", "dc.corp.example:636", check.Warn, silent, "10.0.0.7:636=ok", "10.0.0.8:636"),
			meets(stuck("dc.corp.example:636 (10.0.0.8)")),
		}},
		"service-plain": {Facts{}, []check.Result{meets(plain("10.0.0.7:389")), dc("dc1", silent, "10.0.0.7:636")}},
		"service-plain-and-stuck": {Facts{}, []check.Result{
			meets(stuck("10.0.0.7:636"), plain("10.0.0.7:389")), dc("dc1", silent, "10.0.0.7:636"), cloud(),
		}},
		"service-says-so-too": {Facts{}, []check.Result{
			made("console", "tls", "console.example:443", check.Fail, check.CertIntercepted, "203.0.113.7:443"),
			complains(check.CertUnknownAuthority, says, "console"), directory(),
		}},
		"service-said-by-the-check": {Facts{}, []check.Result{
			told, complains(check.CertUnknownAuthority, says, "console"), directory(),
		}},
		"service-complains-alone": {Facts{}, []check.Result{
			complains(check.DNSNXDomain, `"UnknownHostException: portal.example"`), cloud(), directory(), resolves(),
		}},
		"service-untold": {Facts{}, []check.Result{
			{Check: "service", Kind: check.KindService, Target: "user uds", Status: check.Unknown,
				Cause: check.UnknownIn(check.LayerPosture), Detail: "the service's user is not there"}, cloud(),
		}},
	}
}

func blockedScenarios() map[string]scenario {
	output := evidence{blockers: []string{
		"this host's own table ip filter, chain OUTPUT, rule 7 (tcp dport 636 drop), keeps this host from reaching"}}
	egress := evidence{blockers: []string{"Sallyport's own egress policy (firewall.egress) keeps this host from reaching"}}
	here := func(name, kind, at string, e evidence) check.Result {
		return with(made(name, kind, name+".example:636", check.Fail, check.ConnectBlockedHere, at), e)
	}
	return map[string]scenario{
		"blocked-by-a-table": {Facts{}, []check.Result{
			here("dc1", "ldaps", "10.0.0.36:636", output), here("dc2", "ldaps", "10.0.0.37:636", output), cloud(),
		}},
		"blocked-by-two": {Facts{}, []check.Result{
			here("dc1", "ldaps", "10.0.0.36:636", output), here("api", "tls", "203.0.113.8:443", egress), cloud(),
		}},
		"blocked-resolver": {Facts{}, []check.Result{
			with(made("resolver", "dns", "console.example A", check.Fail, check.DNSUnreachable, "10.0.0.53:53"), output),
			unresolved("console", "tls", "console.example:443", check.DNSUnreachable, "10.0.0.53:53"),
			skipped("portal", "resolver"), directory(),
		}},
	}
}

// orderScenarios are independent faults: what fails comes before what warns, and of those the most fundamental first.
func orderScenarios() map[string]scenario {
	return map[string]scenario{
		"order": {Facts{}, []check.Result{
			made("account", "ldaps", "dc1.corp.example:636", check.Fail, check.LDAPBusy, "10.0.0.36:636"),
			made("broken", "tls", "api.example:443", check.Fail, check.CertExpired, "203.0.113.8:443"),
			made("console", "tls", "console.example:443", check.Fail, check.ConnectRefused, "203.0.113.7:443"),
			made("a-name", "dns", "other.example A", check.Warn, check.DNSTimeout, "10.0.0.53:53", "10.0.0.54:53=ok"),
			meets(plain("10.0.0.7:389")),
		}},
	}
}

// TestServiceBelongs holds which roots take what the service meets, and that what nothing explains stands for itself.
func TestServiceBelongs(t *testing.T) {
	alone := map[string]bool{
		"service-stuck-alone": true, "service-stuck-beside-a-closed-port": true,
		"service-stuck-where-tls-fails": true, "service-stuck-where-a-name-fails": true,
		"service-stuck-at-the-address-that-answers": true, "service-plain": true, "service-plain-and-stuck": true,
		"service-complains-alone": true, "service-untold": true,
	}
	for name, s := range serviceScenarios() {
		v := Of(s.results, s.facts)
		for _, root := range append([]Root{v.Root}, v.Others...) {
			own := strings.Contains(strings.Join(root.Affected, " ")+" ", "service ")
			if own && (len(root.Affected) == 1) != alone[name] {
				t.Errorf("%s: the service belongs to %s of %v", name, root.Cause, root.Affected)
			}
		}
	}
}
