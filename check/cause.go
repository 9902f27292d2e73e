package check

import "strings"

// Cause is a stable code for why a result is not ok, such as cert.expired. The same code stands in text, JSON, metric
// labels, syslog and history; a code is never renamed or reused. Empty means that there is nothing to blame.
type Cause string

// Layer is where the first failure happened.
type Layer string

const (
	LayerDNS         Layer = "dns"
	LayerConnect     Layer = "connect"
	LayerProxy       Layer = "proxy"
	LayerTLS         Layer = "tls"
	LayerCertificate Layer = "certificate"
	LayerClock       Layer = "clock"
	LayerHTTP        Layer = "http"
	LayerLDAP        Layer = "ldap"
	LayerFirewall    Layer = "firewall"
	LayerPosture     Layer = "posture"
	LayerSallyport   Layer = "sallyport"
)

// Causes of the layer dns.
const (
	DNSNXDomain    Cause = "dns.nxdomain"    // the name does not exist (RFC 2308 section 2.1)
	DNSNoData      Cause = "dns.nodata"      // the name exists, but has no record of that type (RFC 2308 section 2.2)
	DNSServFail    Cause = "dns.servfail"    // the resolver failed to answer
	DNSRefused     Cause = "dns.refused"     // the resolver refuses to answer this host
	DNSTimeout     Cause = "dns.timeout"     // no answer from a resolver
	DNSUnreachable Cause = "dns.unreachable" // the resolver's port is closed, or there is no route to it
	DNSBogus       Cause = "dns.bogus"       // DNSSEC validation failed (RFC 4035 section 5.5; RFC 8914)
	DNSMismatch    Cause = "dns.mismatch"    // not the expected answer, or resolvers disagree
	DNSMalformed   Cause = "dns.malformed"   // what came back is no DNS message, or no answer to the question
	DNSDangling    Cause = "dns.dangling"    // a CNAME chain that ends nowhere
	DNSNoResolver  Cause = "dns.no-resolver" // no resolver is configured
)

// Causes of the layer connect.
const (
	ConnectRefused     Cause = "connect.refused"      // a reset answered the SYN
	ConnectTimeout     Cause = "connect.timeout"      // silence: filtered on the way, or the host is down
	ConnectUnreachable Cause = "connect.unreachable"  // no route, or an ICMP unreachable
	ConnectReset       Cause = "connect.reset"        // reset right after the connection was accepted
	ConnectBlockedHere Cause = "connect.blocked-here" // this host's own policy refused it
	ConnectNoAddress   Cause = "connect.no-address"   // no address of a usable family
	ConnectSource      Cause = "connect.source"       // no local address or port to send from
)

// Causes of the layer proxy.
const (
	ProxyRefused Cause = "proxy.refused" // the proxy cannot be reached
	ProxyAuth    Cause = "proxy.auth"    // the proxy asks for authentication
	ProxyDenied  Cause = "proxy.denied"  // the proxy answered CONNECT with a refusal
)

// Causes of the layer tls.
const (
	TLSTimeout           Cause = "tls.timeout"            // accepted, then silence in the handshake
	TLSClosed            Cause = "tls.closed"             // the connection was closed in the handshake
	TLSReset             Cause = "tls.reset"              // the connection was reset in the handshake
	TLSNotTLS            Cause = "tls.not-tls"            // something else than TLS speaks there
	TLSVersion           Cause = "tls.version"            // no common protocol version
	TLSCipher            Cause = "tls.cipher"             // no common cipher suite or group
	TLSAlert             Cause = "tls.alert"              // the server ended the handshake with an alert
	TLSClientCertificate Cause = "tls.client-certificate" // the server asks for a client certificate
	TLSMalformed         Cause = "tls.malformed"          // the server broke the protocol
	TLSHelloDropped      Cause = "tls.hello-dropped"      // silence for a large ClientHello, an answer for a small one
	TLSLegacy            Cause = "tls.legacy"             // works, but only below TLS 1.2
)

// Causes of the layer certificate.
const (
	CertExpired           Cause = "cert.expired"            // the certificate has expired
	CertExpiring          Cause = "cert.expiring"           // the certificate expires soon
	CertNotYetValid       Cause = "cert.not-yet-valid"      // the certificate is not valid yet
	CertNameMismatch      Cause = "cert.name-mismatch"      // the certificate is for other names (RFC 6125)
	CertSelfSigned        Cause = "cert.self-signed"        // the certificate is signed by itself and not trusted
	CertUnknownAuthority  Cause = "cert.unknown-authority"  // the chain ends in an authority that is not trusted
	CertIncompleteChain   Cause = "cert.incomplete-chain"   // the server leaves out an intermediate certificate
	CertChainExpired      Cause = "cert.chain-expired"      // an intermediate or root has expired, not the leaf
	CertWeakKey           Cause = "cert.weak-key"           // a key in the chain is too weak
	CertWeakSignature     Cause = "cert.weak-signature"     // a signature in the chain uses a broken algorithm
	CertUsage             Cause = "cert.usage"              // not for server authentication, or a CA flag is wrong
	CertRevoked           Cause = "cert.revoked"            // the authority has revoked the certificate
	CertRevocationUnknown Cause = "cert.revocation-unknown" // revocation could not be told, where it must be
	CertPinMismatch       Cause = "cert.pin-mismatch"       // not the pinned key
	CertIntercepted       Cause = "cert.intercepted"        // a TLS-inspecting proxy stands between
	CertJavaUntrusted     Cause = "cert.java-untrusted"     // the system trusts it, the service's JVM does not
	CertJavaOnly          Cause = "cert.java-only"          // the service's JVM trusts it, the system does not
	CertChanged           Cause = "cert.changed"            // the certificate is another than before
)

// Causes of the layer clock.
const (
	ClockSkew Cause = "clock.skew" // this host's clock and the server's disagree
)

// Causes of the layer http.
const (
	HTTPStatus    Cause = "http.status"    // the server answered with an unexpected HTTP status
	HTTPMalformed Cause = "http.malformed" // what came back is not HTTP
)

// Causes of the layer ldap.
const (
	LDAPInvalidCredentials      Cause = "ldap.invalid-credentials"      // the bind is refused (RFC 4511 resultCode 49)
	LDAPNoSuchUser              Cause = "ldap.no-such-user"             // AD: the user does not exist (data 525)
	LDAPBadPassword             Cause = "ldap.bad-password"             // AD: wrong password (data 52e)
	LDAPLogonHours              Cause = "ldap.logon-hours"              // AD: not at this time (data 530)
	LDAPWorkstation             Cause = "ldap.workstation"              // AD: not from this machine (data 531)
	LDAPPasswordExpired         Cause = "ldap.password-expired"         // AD: the password has expired (data 532)
	LDAPAccountDisabled         Cause = "ldap.account-disabled"         // AD: the account is disabled (data 533)
	LDAPAccountExpired          Cause = "ldap.account-expired"          // AD: the account has expired (data 701)
	LDAPPasswordMustChange      Cause = "ldap.password-must-change"     // AD: change the password first (data 773)
	LDAPAccountLocked           Cause = "ldap.account-locked"           // AD: the account is locked out (data 775)
	LDAPStrongAuthRequired      Cause = "ldap.strong-auth-required"     // stronger authentication is required (resultCode 8)
	LDAPConfidentialityRequired Cause = "ldap.confidentiality-required" // encryption is required (resultCode 13)
	LDAPAnonymousRefused        Cause = "ldap.anonymous-refused"        // anonymous access is refused (resultCode 48)
	LDAPBaseNotFound            Cause = "ldap.base-not-found"           // the search base does not exist (resultCode 32)
	LDAPInsufficientAccess      Cause = "ldap.insufficient-access"      // no right to search there (resultCode 50)
	LDAPTooFewEntries           Cause = "ldap.too-few-entries"          // the search finds fewer entries than it must
	LDAPSizeLimit               Cause = "ldap.size-limit"               // the directory's size limit was met (resultCode 4)
	LDAPTimeLimit               Cause = "ldap.time-limit"               // the directory's time limit was met (resultCode 3)
	LDAPAdminLimit              Cause = "ldap.admin-limit"              // an administrator's limit was met (resultCode 11)
	LDAPNoPaging                Cause = "ldap.no-paging"                // the directory does not do paged results (RFC 2696)
	LDAPReferral                Cause = "ldap.referral"                 // another server has it (resultCode 10)
	LDAPBusy                    Cause = "ldap.busy"                     // the directory is busy (resultCode 51)
	LDAPUnavailable             Cause = "ldap.unavailable"              // the directory is offline (resultCode 52)
	LDAPUnwilling               Cause = "ldap.unwilling"                // the directory is unwilling (resultCode 53)
	LDAPTimeout                 Cause = "ldap.timeout"                  // no answer to an LDAP request
	LDAPClosed                  Cause = "ldap.closed"                   // the directory closed the connection
	LDAPMalformed               Cause = "ldap.malformed"                // what came back is not LDAP
	LDAPNoServer                Cause = "ldap.no-server"                // discovery by SRV found no directory server
	LDAPNotRetried              Cause = "ldap.not-retried"              // held back, so as not to lock the account
)

// Causes of the layer firewall.
const (
	FirewallMissing      Cause = "firewall.missing"       // the table is not in the kernel
	FirewallDrift        Cause = "firewall.drift"         // the live ruleset differs from the compiled one
	FirewallRepaired     Cause = "firewall.repaired"      // the ruleset had drifted and was put back
	FirewallContended    Cause = "firewall.contended"     // the ruleset was changed and repaired again and again
	FirewallDormant      Cause = "firewall.dormant"       // the table is dormant: its hooks are not registered
	FirewallExposed      Cause = "firewall.exposed"       // a listener that the policy does not name answers a stranger
	FirewallLockout      Cause = "firewall.lockout"       // management would not get in
	FirewallBypass       Cause = "firewall.bypass"        // another's rule or program goes round the ruleset
	FirewallForeignDrop  Cause = "firewall.foreign-drop"  // another's rule drops management
	FirewallTrial        Cause = "firewall.trial"         // a trial is running
	FirewallRolledBack   Cause = "firewall.rolled-back"   // a trial was not confirmed, the former ruleset is back
	FirewallNotPermitted Cause = "firewall.not-permitted" // the process may not read or write the ruleset
	FirewallUnsupported  Cause = "firewall.unsupported"   // the kernel lacks a feature
)

// Causes of the layer posture: posture. and the name of the control.
const (
	PostureOutboundEncrypted Cause = "posture.outbound.encrypted" // the service uses a port without encryption
)

// Causes of the layer sallyport.
const (
	ConfigChanged  Cause = "config.changed"  // a new configuration is in force
	ConfigRejected Cause = "config.rejected" // a new configuration was refused, the running one stays
	SinkDown       Cause = "sink.down"       // a sink of reports cannot be written
	Internal       Cause = "internal"        // a fault of Sallyport itself
)

// UnknownIn is the cause of a failure in the layer that no code fits: unknown.<layer>. Seeing one is seeing a bug.
func UnknownIn(layer Layer) Cause { return Cause("unknown." + string(layer)) }

// Layer is the layer that the code names; empty for no cause.
func (c Cause) Layer() Layer {
	prefix, rest, _ := strings.Cut(string(c), ".")
	switch prefix {
	case "":
		return ""
	case "unknown":
		return Layer(rest)
	case "cert":
		return LayerCertificate
	case "config", "sink", "internal":
		return LayerSallyport
	default:
		return Layer(prefix)
	}
}

// Causes lists every code of this version, by layer.
func Causes() []Cause {
	return []Cause{
		DNSNXDomain, DNSNoData, DNSServFail, DNSRefused, DNSTimeout, DNSUnreachable, DNSBogus, DNSMismatch,
		DNSMalformed, DNSDangling, DNSNoResolver,
		ConnectRefused, ConnectTimeout, ConnectUnreachable, ConnectReset, ConnectBlockedHere, ConnectNoAddress,
		ConnectSource,
		ProxyRefused, ProxyAuth, ProxyDenied,
		TLSTimeout, TLSClosed, TLSReset, TLSNotTLS, TLSVersion, TLSCipher, TLSAlert, TLSClientCertificate,
		TLSMalformed, TLSHelloDropped, TLSLegacy,
		CertExpired, CertExpiring, CertNotYetValid, CertNameMismatch, CertSelfSigned, CertUnknownAuthority,
		CertIncompleteChain, CertChainExpired, CertWeakKey, CertWeakSignature, CertUsage, CertRevoked,
		CertRevocationUnknown, CertPinMismatch, CertIntercepted, CertJavaUntrusted, CertJavaOnly, CertChanged,
		ClockSkew,
		HTTPStatus, HTTPMalformed,
		LDAPInvalidCredentials, LDAPNoSuchUser, LDAPBadPassword, LDAPLogonHours, LDAPWorkstation,
		LDAPPasswordExpired, LDAPAccountDisabled, LDAPAccountExpired, LDAPPasswordMustChange, LDAPAccountLocked,
		LDAPStrongAuthRequired, LDAPConfidentialityRequired, LDAPAnonymousRefused, LDAPBaseNotFound,
		LDAPInsufficientAccess, LDAPTooFewEntries, LDAPSizeLimit, LDAPTimeLimit, LDAPAdminLimit, LDAPNoPaging,
		LDAPReferral, LDAPBusy, LDAPUnavailable, LDAPUnwilling, LDAPTimeout, LDAPClosed, LDAPMalformed,
		LDAPNoServer, LDAPNotRetried,
		FirewallMissing, FirewallDrift, FirewallRepaired, FirewallContended, FirewallDormant, FirewallExposed,
		FirewallLockout, FirewallBypass, FirewallForeignDrop, FirewallTrial, FirewallRolledBack,
		FirewallNotPermitted, FirewallUnsupported,
		PostureOutboundEncrypted,
		ConfigChanged, ConfigRejected, SinkDown, Internal,
	}
}
