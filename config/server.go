package config

import (
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// The words of like: whose handshake a check makes.
const (
	LikeJVM = "jvm" // that of the Java which the service uses; what a file with a service means
	LikeGo  = "go"  // that of Go's crypto/tls; what a file without one means
)

// The words of revocation.
const (
	RevocationOff  = "off"  // nobody is asked
	RevocationSoft = "soft" // who cannot be asked counts as good
	RevocationHard = "hard" // who cannot be asked counts as bad
)

// Server is what all checks of servers that speak TLS share.
type Server struct {
	Host       string // a name or an address
	Port       uint16
	ServerName string   // for SNI and verification: Host unless set
	Roots      []string // instead of trust.roots
	Expiry
	Like              string              // jvm or go
	ClientCertificate *ClientCertificate  // nil: none is shown
	Source            netip.Addr          // connections come from there; zero: the kernel chooses
	Interface         string              // connections leave there; empty: the kernel chooses
	Pins              [][sha256.Size]byte // SHA-256 of public keys (RFC 7469 section 2.4), any of which must be in the chain
	Issuers           []string            // CN or O of authorities, in any case, any of which must be in the chain
	Revocation        string              // off, soft or hard
	AIA               bool                // authorities that the server leaves out are fetched where the certificate says
}

// ClientCertificate is the certificate that a check shows, with its key. Both paths are absolute.
type ClientCertificate struct {
	CertificateFile string // PEM: the certificate, then its intermediates
	KeyFile         string // PEM; its content is never kept here
}

// serverKeys are the keys that TLS and LDAPS checks share.
func serverKeys[T any](at func(*T) *Server) []key[T] {
	return slices.Concat([]key[T]{
		field("server_name", "The name that the certificate must have, where it is not the host's.", hosts(),
			func(v *T) *string { return &at(v).ServerName }).sample("directory.corp.example").aside(),
		field("roots", "Which authorities are trusted here, in place of trust.roots.", list(roots(), 1),
			func(v *T) *[]string { return &at(v).Roots }).sample("[system, /etc/ssl/corp-ca.pem]").aside(),
		field("client_certificate", "The certificate that this host shows, and its key.", clientCertificateForm(),
			func(v *T) **ClientCertificate { return &at(v).ClientCertificate }).
			sample("{certificate_file: /etc/sallyport/client.pem, key_file: /etc/sallyport/client-key.pem}").aside(),
		field("pins", "Public keys, any of which must be in the chain: sha256/ and the digest in base64 (RFC 7469 "+
			"section 2.4).", list(pins(), 1), func(v *T) *[][sha256.Size]byte { return &at(v).Pins }).
			sample(`["sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]`).aside(),
		field("issuers", "Authorities, by CN or O, any of which must be in the chain; case does not matter.",
			list(text(), 1), func(v *T) *[]string { return &at(v).Issuers }).sample("[Corp Root CA]").aside(),
		field("aia", "Whether an authority that the server leaves out is fetched where the certificate says (RFC 5280 "+
			"section 4.2.2.1), to tell which one is missing.", truth(),
			func(v *T) *bool { return &at(v).AIA }).byDefault("false").aside(),
	}, inheritedKeys(at), expiryKeys(func(v *T) *Expiry { return &at(v).Expiry }))
}

// inheritedKeys are the keys of servers that checks.defaults has too, besides those of expiry.
func inheritedKeys[T any](at func(*T) *Server) []key[T] {
	return []key[T]{
		field("like", "Whose handshake is made: jvm for that of the service's Java, go for that of Go. jvm where the file "+
			"has a service, else go.", choice(LikeJVM, LikeGo), func(v *T) *string { return &at(v).Like }).
			inherit(func(r *reader, v *T) { at(v).Like = r.defaults.Like }).sample("jvm").aside(),
		field("revocation", "Whether authorities are asked if they revoked a certificate: off; soft, where no answer "+
			"counts as good; hard, where it counts as bad.", choice(RevocationOff, RevocationSoft, RevocationHard),
			func(v *T) *string { return &at(v).Revocation }).
			inherit(func(r *reader, v *T) { at(v).Revocation = r.defaults.Revocation }).sample("soft").aside(),
		field("source", "The address of this host that connections come from; without it, the kernel chooses.", sources(),
			func(v *T) *netip.Addr { return &at(v).Source }).
			inherit(func(r *reader, v *T) { at(v).Source = r.defaults.Source }).sample("10.20.0.3").aside(),
		field("interface", "The interface that connections leave by; without it, the kernel chooses.", device(),
			func(v *T) *string { return &at(v).Interface }).
			inherit(func(r *reader, v *T) { at(v).Interface = r.defaults.Interface }).sample("eth0").aside(),
	}
}

func clientCertificateForm() form[*ClientCertificate] {
	return pointer(object([]key[ClientCertificate]{
		field("certificate_file", "The certificate in PEM, with its intermediates after it.", certificates(),
			func(c *ClientCertificate) *string { return &c.CertificateFile }).needed().sample("/etc/sallyport/client.pem"),
		field("key_file", "A file of mode 0600, or a credential of systemd, that holds the private key in PEM.",
			privateKeys(), func(c *ClientCertificate) *string { return &c.KeyFile }).
			needed().sample("/etc/sallyport/client-key.pem"),
	}, nil))
}

// pins is the form of the digest of a public key.
func pins() form[[sha256.Size]byte] {
	return parsed(`^sha256/[0-9A-Za-z+/]{43}=$`, func(s string) (pin [sha256.Size]byte, message, mend string) {
		const form = "write sha256/ and the 44 characters of base64 that are the SHA-256 of the public key: " +
			"openssl x509 -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64"
		digest, ok := strings.CutPrefix(s, "sha256/")
		raw, err := base64.StdEncoding.Strict().DecodeString(digest)
		switch {
		case !ok:
			return pin, quote(s) + " is not a pin", form
		case err != nil:
			return pin, quote(digest) + " is not base64", form
		case len(raw) != len(pin):
			return pin, quote(s) + " is not the digest of a key: SHA-256 has 32 bytes", form
		}
		copy(pin[:], raw)
		return pin, "", ""
	})
}

// sources is the form of an address of this host.
func sources() form[netip.Addr] {
	return parsed(`^[0-9A-Fa-f:.]+$`, func(s string) (netip.Addr, string, string) {
		addr, err := netip.ParseAddr(s)
		switch {
		case err != nil:
			return addr, quote(s) + " is not an address", "write an address of this host, as ip address shows it"
		case addr.Zone() != "":
			return addr, quote(s) + " has a zone",
				"write " + addr.WithZone("").String() + ", and the interface under interface"
		case addr.IsUnspecified(), addr.IsMulticast():
			return addr, quote(s) + " is no host's address", "write an address of this host, as ip address shows it"
		}
		return addr.Unmap(), "", ""
	})
}

// judgeServer fills in what depends on other keys, and refuses a source from which the peer cannot be reached: the one that
// is connected to, by the key that names it.
func judgeServer(r *reader, f *found, s *Server, peer string, named ...string) {
	if s.ServerName == "" {
		s.ServerName = s.Host
	}
	judgeExpiry(r, f, s.Expiry)
	addr, err := netip.ParseAddr(peer)
	if err != nil || !s.Source.IsValid() || !f.sound("source") || addr.Unmap().Is4() == s.Source.Is4() {
		return
	}
	at, mend := f.at(append([]string{"source"}, named...)...), "write a source of the same family, or remove it"
	if !f.has("source") {
		mend = "add a source of the same family here: that of checks.defaults is of the other"
	}
	r.wrong(at, mend, "nothing goes from %s to %s: one is IPv4, the other IPv6", s.Source, addr)
}

// judgeLikes fills in whose handshake is made, where neither the check nor checks.defaults says.
func judgeLikes(c *Config) {
	like := LikeGo
	if c.Service != nil {
		like = LikeJVM
	}
	fill := func(s *Server) {
		if s.Like == "" {
			s.Like = like
		}
	}
	for i := range c.Checks.TLS {
		fill(&c.Checks.TLS[i].Server)
	}
	for i := range c.Checks.LDAPS {
		fill(&c.Checks.LDAPS[i].Server)
	}
}

// hostKey is a key whose value is a host and a port.
func hostKey[T any](name, about string, f form[endpoint], set func(*T, endpoint)) key[T] {
	s := f.schema
	s.Description = about
	return key[T]{name: name, schema: s, read: func(r *reader, n ast.Node, into *T) bool {
		e, ok := f.read(r, n)
		if ok {
			set(into, e)
		}
		return ok
	}}
}
