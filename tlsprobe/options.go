package tlsprobe

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"time"
)

// Options are what a handshake is to offer and how its certificates are judged. The zero value offers TLS 1.2 and 1.3
// with the library's suites and groups, and trusts nobody.
type Options struct {
	// ServerName is whom the server must prove to be: a DNS name, sent as SNI, or an IP address, which is not sent
	// (RFC 6066 section 3) but must be an address of the certificate (RFC 2818 section 3.1).
	ServerName string
	// Roots are the trusted authorities. Nil trusts none, so that every chain has a problem.
	Roots *Roots
	// Time is the instant at which certificates are judged. The zero value is the time of the handshake.
	Time time.Time
	// Warn and Fail are how long before its end a certificate is reported as expiring. Zero reports nothing.
	Warn, Fail time.Duration
	// Expected is what is known of the chain beforehand.
	Expected
	// ALPN are the application protocols to offer (RFC 7301); none is offered when empty.
	ALPN []string
	// Offer narrows the protocol; see Offer.
	Offer Offer
	// Like is the client that the handshake is to look like; nil looks like the library. Offer has no say then.
	Like *Like
	// ClientCertificate is shown to a server that asks for one; nil declines.
	ClientCertificate *tls.Certificate
	// AwaitAlert is how long to wait, once a TLS 1.3 handshake with a certificate request is done, for the alert of a
	// server that does not do without one: it comes only after the handshake (RFC 8446 section 4.4.2.4). The wait sends
	// nothing and ends at once when the server shows that it is content. Zero does not wait: for a caller whose
	// protocol reads an answer anyway, and who gives its error to AfterHandshake.
	AwaitAlert time.Duration
}

// Offer is a variant of the ClientHello.
type Offer uint8

const (
	// OfferDefault is TLS 1.2 and 1.3 with the library's groups, a post-quantum one among them.
	OfferDefault Offer = iota
	// OfferSmall is the same without post-quantum groups: a ClientHello that fits one packet, as a JVM sends it.
	OfferSmall
)

func (o Options) at() time.Time {
	if o.Time.IsZero() {
		return time.Now()
	}
	return o.Time
}

func (o Options) config() *tls.Config {
	config := &tls.Config{
		InsecureSkipVerify: true, // verified in VerifyConnection, which sees a bad chain too
		MinVersion:         tls.VersionTLS12,
		NextProtos:         o.ALPN,
	}
	if _, err := netip.ParseAddr(o.ServerName); err != nil {
		config.ServerName = asciiName(o.ServerName)
	}
	switch {
	case o.Like != nil:
		o.Like.narrow(config)
	case o.Offer == OfferSmall:
		config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}
	}
	return config
}

// everySuite is every suite that the library still knows, the weak ones too.
func everySuite() []uint16 {
	var ids []uint16
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		ids = append(ids, suite.ID)
	}
	return ids
}
