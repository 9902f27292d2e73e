package tlsprobe

import (
	"crypto/tls"
	"slices"

	"sallyport/tlsprobe/profile"
)

// Like is another TLS client that a handshake is to look like, as far as crypto/tls can: it has no finite-field groups,
// no X448, no DHE and no CBC suites with SHA-384. What a server makes of the rest can be asked by Ask. It is made once
// and may be used by many handshakes at the same time.
type Like struct {
	profile     profile.Profile
	least, most uint16
	suites      []uint16 // of TLS 1.2
	groups      []tls.CurveID
}

// NewLike is the client of a profile. Of its versions only TLS 1.2 and 1.3 are spoken: no older one is ever trusted with
// anything (RFC 8996).
func NewLike(p profile.Profile) *Like {
	l := &Like{profile: p, suites: []uint16{}} // nil would be the library's own
	known := everySuite()
	for _, id := range p.Suites {
		if slices.Contains(known, id) && !suiteOf13(id) {
			l.suites = append(l.suites, id)
		}
	}
	for _, id := range p.Groups {
		if knownGroup(id) {
			l.groups = append(l.groups, tls.CurveID(id))
		}
	}
	if len(l.groups) == 0 {
		return l // no key exchange that is left would be worth a check
	}
	if p.Offers(tls.VersionTLS12) && len(l.suites) > 0 {
		l.least, l.most = tls.VersionTLS12, tls.VersionTLS12
	}
	if p.Offers(tls.VersionTLS13) && slices.ContainsFunc(p.Suites, suiteOf13) {
		l.most = tls.VersionTLS13
		if l.least == 0 {
			l.least = tls.VersionTLS13
		}
	}
	return l
}

// Profile is what the client offers.
func (l *Like) Profile() profile.Profile { return l.profile }

// Does says whether crypto/tls, looking like the client, could have gone on with what a server chose.
func (l *Like) Does(f Facts) bool {
	suite := suiteOf13(f.Suite) || slices.Contains(l.suites, f.Suite)
	group := f.Group == 0 || slices.Contains(l.groups, f.Group)
	return suite && group && l.least != 0 && f.Version >= l.least && f.Version <= l.most
}

// speaks says whether anything is left that crypto/tls can offer.
func (l *Like) speaks() bool { return l.most != 0 }

func (l *Like) narrow(config *tls.Config) {
	config.MinVersion, config.MaxVersion = l.least, l.most
	config.CipherSuites, config.CurvePreferences = l.suites, l.groups
}

// suiteOf13 says whether the suite is one of TLS 1.3 (RFC 8446 appendix B.4).
func suiteOf13(id uint16) bool { return id>>8 == 0x13 }

// knownGroup says whether crypto/tls has the group. Those of post-quantum key exchange stand apart: a client that does
// not name them is spared their size.
func knownGroup(id uint16) bool {
	switch tls.CurveID(id) {
	case tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521, tls.X25519MLKEM768, tls.SecP256r1MLKEM768,
		tls.SecP384r1MLKEM1024:
		return true
	}
	return false
}
