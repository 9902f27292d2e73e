package tlsprobe

import (
	"crypto/rand"
	"crypto/tls"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"sallyport/tlsprobe/profile"
)

// Question is a ClientHello of our own making (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2). It may offer what
// crypto/tls cannot do, for nobody goes on with the handshake: the server's choice is all that is wanted. With TLS 1.3 it
// offers groups, but no key of any, so that the server names its choice and asks for a key (section 4.2.8).
type Question struct {
	Versions   []uint16 // newest first
	Suites     []uint16
	Groups     []uint16
	Signatures []uint16
}

// Question is the ClientHello of the client itself, with all that it offers.
func (l *Like) Question() Question {
	return Question{l.profile.Versions, l.profile.Suites, l.profile.Groups, l.profile.Signatures}
}

// Anything is a ClientHello that offers all a server may want, safe or not, so that it tells what it is set to.
func Anything() Question {
	suites := everySuite()
	for _, id := range append(profile.Any().Suites, oddSuites()...) {
		if !slices.Contains(suites, id) {
			suites = append(suites, id)
		}
	}
	return Question{
		Versions: []uint16{tls.VersionTLS13, tls.VersionTLS12, tls.VersionTLS11, tls.VersionTLS10}, Suites: suites,
		// After Java's: the hybrids, and P-224, secp256k1 and the Brainpool curves (RFC 8422, RFC 7027).
		Groups: append(profile.Any().Groups, uint16(tls.X25519MLKEM768), uint16(tls.SecP256r1MLKEM768),
			uint16(tls.SecP384r1MLKEM1024), 21, 22, 26, 27, 28),
		Signatures: profile.Any().Signatures,
	}
}

// oddSuites are suites that neither Go nor Java has: CCM (RFC 6655, RFC 7251, RFC 8446), ARIA (RFC 6209), Camellia
// (RFC 5932, RFC 6367) and SEED (RFC 4162). None is anonymous, and none goes without encryption.
func oddSuites() []uint16 {
	return []uint16{
		0x1304, 0x1305, 0xc09c, 0xc09d, 0xc09e, 0xc09f, 0xc0ac, 0xc0ad, 0xc0ae, 0xc0af, 0xc050, 0xc051, 0xc052, 0xc053,
		0xc05c, 0xc05d, 0xc060, 0xc061, 0x0041, 0x0045, 0x0084, 0x0088, 0x00ba, 0x00be, 0x00c0, 0x00c4, 0xc072, 0xc073,
		0xc076, 0xc077, 0xc07a, 0xc07b, 0xc07c, 0xc07d, 0xc086, 0xc087, 0xc08a, 0xc08b, 0x0096, 0x009a,
	}
}

// Numbers of the TLS registries.
const (
	recordAlert, recordHandshake = 21, 22

	messageClientHello, messageServerHello            = 1, 2
	messageCertificate, messageKeyExchange, helloDone = 11, 12, 14

	extensionName, extensionGroups, extensionPoints, extensionSignatures = 0, 10, 11, 13
	extensionALPN, extensionMasterSecret, extensionVersions              = 16, 23, 43
	extensionKeyShare, extensionRenegotiation                            = 51, 0xff01
)

// record is the question as it goes over the wire to a server of that name, in one record.
func (q Question) record(serverName string, alpn []string) ([]byte, error) {
	random := make([]byte, 64)
	_, _ = rand.Read(random) // never fails
	var b cryptobyte.Builder
	b.AddUint8(recordHandshake)
	b.AddUint16(tls.VersionTLS10) // of the first record, whatever is offered (RFC 8446 section 5.1)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8(messageClientHello)
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(min(slices.Max(append(q.Versions, tls.VersionTLS10)), tls.VersionTLS12))
			b.AddBytes(random[:32])
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(random[32:]) })
			addNumbers(b, q.Suites)
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) }) // no compression
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { q.addExtensions(b, serverName, alpn) })
		})
	})
	return b.Bytes()
}

func (q Question) addExtensions(b *cryptobyte.Builder, serverName string, alpn []string) {
	add := func(kind uint16, body func(*cryptobyte.Builder)) {
		b.AddUint16(kind)
		b.AddUint16LengthPrefixed(body)
	}
	if serverName != "" {
		add(extensionName, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0) // host_name
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(serverName)) })
			})
		})
	}
	if len(q.Groups) > 0 {
		add(extensionGroups, func(b *cryptobyte.Builder) { addNumbers(b, q.Groups) })
		add(extensionPoints, func(b *cryptobyte.Builder) { b.AddUint16(0x0100) }) // one form: uncompressed
	}
	if len(q.Signatures) > 0 {
		add(extensionSignatures, func(b *cryptobyte.Builder) { addNumbers(b, q.Signatures) })
	}
	if len(alpn) > 0 {
		add(extensionALPN, func(b *cryptobyte.Builder) { addProtocols(b, alpn) })
	}
	add(extensionMasterSecret, func(*cryptobyte.Builder) {})
	add(extensionRenegotiation, func(b *cryptobyte.Builder) { b.AddUint8(0) })
	if slices.Contains(q.Versions, tls.VersionTLS13) {
		add(extensionVersions, func(b *cryptobyte.Builder) {
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
				for _, v := range q.Versions {
					b.AddUint16(v)
				}
			})
		})
		add(extensionKeyShare, func(b *cryptobyte.Builder) { addNumbers(b, nil) })
	}
}

func addProtocols(b *cryptobyte.Builder, alpn []string) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, name := range alpn {
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
		}
	})
}

// addNumbers adds a list of numbers with its length in front.
func addNumbers(b *cryptobyte.Builder, numbers []uint16) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, n := range numbers {
			b.AddUint16(n)
		}
	})
}
