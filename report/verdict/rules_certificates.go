package verdict

import (
	"slices"
	"strings"
	"time"

	"sallyport/check"
)

const (
	// agreement is how near to each other the clocks of servers must be to testify that it is this host's that is wrong.
	agreement = 2 * time.Minute
	// tolerance is how far a clock may be from this host's to testify that this host's is right, as for Kerberos
	// ([MS-KILE] section 3.1.5).
	tolerance = 5 * time.Minute
)

// wrongClock: servers tell another time than this host. If none agrees with it, and they agree with each other, its clock
// is wrong, and what certificates are said of their dates is for that; else each server's own is.
func wrongClock(s *scene) []finding {
	skewed := s.openWith(check.ClockSkew)
	if len(skewed) == 0 {
		return nil
	}
	if s.clockVouched() || !s.clocksAgree(skewed) {
		return s.theirClocks(skewed)
	}
	dated := s.openWith(check.CertExpired, check.CertNotYetValid, check.CertChainExpired)
	all := append(slices.Clone(skewed), dated...)
	head := s.head(skewed, "")
	f := finding{cause: check.ClockSkew, first: head.Remedy, explains: all}
	f.sentence = ourClock(head, s.hosts(skewed), len(dated) > 0)
	if len(all) > 1 && s.allDated(all) {
		f.so = "so every certificate is judged wrong"
	}
	return []finding{f}
}

// ourClock says what is wrong with this host's clock. One server alone does not tell whose is wrong, unless certificates of
// others seem to end too early or begin too late.
func ourClock(head check.Result, hosts []string, others bool) string {
	ahead, known := clockAheadOf(head)
	if len(hosts) < 2 && !others {
		sentence := "the clock of this host or that of " + listed(hosts) + " is wrong"
		if known {
			sentence += ": they are " + inUnits(ahead) + " apart"
		}
		return sentence
	}
	if known {
		return "this host's clock is wrong: it is " + inUnits(ahead) + " " + aheadOrBehind(-ahead)
	}
	return "this host's clock is wrong"
}

func aheadOrBehind(ahead time.Duration) string {
	if ahead < 0 {
		return "behind"
	}
	return "ahead"
}

// theirClocks are a root for each server whose clock is not this host's.
func (s *scene) theirClocks(skewed []int) []finding {
	var found []finding
	for _, group := range grouped(skewed, func(i int) string { return hostOf(s.results[i]) }) {
		head := s.head(group, "")
		sentence := "the clock of " + hostOf(head) + " is wrong"
		if ahead, known := clockAheadOf(head); known {
			sentence += ": it is " + inUnits(ahead) + " " + aheadOrBehind(ahead)
		}
		if s.clockVouched() {
			sentence += "; others agree with this host's"
		}
		found = append(found, finding{cause: check.ClockSkew, sentence: sentence, first: head.Remedy, explains: group})
	}
	return found
}

// clockVouched says whether some server's clock agrees with this host's.
func (s *scene) clockVouched() bool {
	return slices.ContainsFunc(s.results, func(r check.Result) bool {
		ahead, known := clockAheadOf(r)
		return known && ahead.Abs() < tolerance && r.Cause != check.ClockSkew
	})
}

// clocksAgree says whether the clocks that are not this host's are each other's, as far as they are known.
func (s *scene) clocksAgree(skewed []int) bool {
	var told []time.Duration
	for _, i := range skewed {
		if ahead, known := clockAheadOf(s.results[i]); known {
			told = append(told, ahead)
		}
	}
	return len(told) == 0 || slices.Max(told)-slices.Min(told) <= agreement
}

// allDated says whether the certificates of all results that got that far are among these.
func (s *scene) allDated(group []int) bool {
	for i, r := range s.results {
		if r.Kind == check.KindTLS || r.Kind == check.KindLDAPS {
			if s.certified(r) || r.Cause.Layer() == check.LayerCertificate && !slices.Contains(group, i) {
				return false
			}
		}
	}
	return slices.ContainsFunc(group, func(i int) bool { return s.results[i].Status == check.Fail })
}

// certified says whether a result got beyond the certificates.
func (s *scene) certified(r check.Result) bool {
	layer := r.Cause.Layer()
	return r.Status == check.OK || r.Status == check.Warn && layer != check.LayerConnect && layer != check.LayerDNS ||
		unwell(r.Status) && (layer == check.LayerHTTP || layer == check.LayerLDAP)
}

// likelyClock: no server tells a time, neither another nor this host's, but every certificate is expired, or every one not
// valid yet, at once.
func likelyClock(s *scene) []finding {
	if s.clockVouched() {
		return nil
	}
	for _, cause := range []check.Cause{check.CertNotYetValid, check.CertExpired} {
		dated := s.openWith(cause)
		if len(s.hosts(dated)) < 2 || !s.allDated(dated) {
			continue
		}
		words := map[check.Cause]string{
			check.CertNotYetValid: "is not valid yet", check.CertExpired: "has expired",
		}[cause]
		return []finding{{
			cause: check.ClockSkew,
			sentence: "this host's clock is probably wrong: by it every certificate " + words + ", that of " +
				listed(s.hosts(dated)) + " at once",
			first: "Compare the clock of this host with another one (chronyc tracking; timedatectl); if it is right, have " +
				"the certificates renewed.",
			explains: dated,
		}}
	}
	return nil
}

// javaStores: one trust store of the service's Java that lacks what servers show is one root.
func javaStores(s *scene) []finding {
	var found []finding
	bad := s.openWith(check.CertJavaUntrusted)
	for _, group := range grouped(bad, func(i int) string { return javaStoreOf(s.results[i]) }) {
		head := s.head(group, "")
		found = append(found, finding{
			cause: check.CertJavaUntrusted,
			sentence: "the trust store of the service's Java, " + javaStoreOf(head) + ", lacks the authority of " +
				listed(s.hosts(group)) + ", which this system trusts",
			first: head.Remedy, explains: group,
		})
	}
	return found
}

// authorities: several names for which one authority has signed that is not trusted: TLS inspection, or a private authority
// that nobody installed here.
func authorities(s *scene) []finding {
	var found []finding
	bad := s.openWith(check.CertIntercepted, check.CertUnknownAuthority)
	for _, group := range grouped(bad, func(i int) string { return issuerOf(s.results[i]) }) {
		hosts := s.hosts(group)
		if len(hosts) < 2 {
			continue
		}
		intercepted := slices.DeleteFunc(slices.Clone(group), func(i int) bool {
			return s.results[i].Cause != check.CertIntercepted
		})
		head := s.head(group, "")
		words := "is not trusted here, and has signed for " + listed(hosts)
		if len(intercepted) > 0 {
			head = s.head(intercepted, "")
			words = "stands between this host and " + listed(hosts) + ": TLS is inspected"
		}
		found = append(found, finding{
			cause:    head.Cause,
			sentence: "the authority " + strings.TrimSpace(issuerOf(head)) + " " + words,
			first:    head.Remedy, explains: group,
		})
	}
	return found
}
