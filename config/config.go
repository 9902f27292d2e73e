package config

import (
	"net/netip"
	"time"
)

// Config is a whole configuration, validated: every default is filled in, every duration and address parsed.
type Config struct {
	File   string // the file it was read from
	Digest string // the SHA-256 of its bytes, in hex, by which two processes know that they mean the same

	Paths    Paths
	Firewall Firewall
	Service  *Service // nil when the file has none
	Checks   Checks
	Trust    Trust
	Report   Report
	Waivers  []Waiver

	notices []Notice
}

// Paths are the folders of one instance; several instances can live on one machine.
type Paths struct {
	State   string // survives a restart: /var/lib/sallyport
	Runtime string // sockets: /run/sallyport
}

// Mode says what Sallyport does with the firewall.
type Mode string

const (
	Enforce Mode = "enforce" // keeps the ruleset in force
	Observe Mode = "observe" // never writes, only verifies
	Off     Mode = "off"     // neither; what a file without a firewall section means
)

// Ownership says how the table is held.
type Ownership string

const (
	OwnershipAuto  Ownership = "auto"
	OwnershipOwner Ownership = "owner"
	OwnershipWatch Ownership = "watch"
)

// Forward says what happens to packets that the host would pass on.
type Forward string

const (
	ForwardDrop       Forward = "drop"
	ForwardAccept     Forward = "accept"
	ForwardContainers Forward = "containers"
)

// EgressMode says what Sallyport does about the host's own ways out.
type EgressMode string

const (
	EgressOpen    EgressMode = "open"
	EgressObserve EgressMode = "observe"
	EgressEnforce EgressMode = "enforce"
)

// Firewall is what the operator wants of the firewall.
type Firewall struct {
	Mode          Mode
	Ownership     Ownership
	Management    []Exception
	Allow         []Exception
	Ping          bool
	Forward       Forward
	Egress        Egress
	ConfirmWithin time.Duration
}

// Exception is one way in: these ports from these sources only, on these interfaces only where any are named.
type Exception struct {
	Name       string
	Ports      []Ports        // merged by whoever compiles them; any order, may overlap
	Any        bool           // from: [any], written out
	From       []netip.Prefix // masked; empty exactly when Any
	Interfaces []string
	Line       int // where it stands in the file
}

// Egress is the policy of the ways out.
type Egress struct {
	Mode EgressMode
	Also []Destination
}

// Destination is one further way out.
type Destination struct {
	Name  string
	Any   bool           // to: [any], written out
	To    []netip.Prefix // masked
	Names []string       // hosts by name, as in the file
	Ports []Ports
	Users []string // only programs of these; empty: of all
}

// Ports is a range of ports of one protocol, as in 22/tcp or 8000-8010/udp.
type Ports struct {
	Protocol    string // tcp or udp
	First, Last uint16
}

// Service is the sync tool on this host.
type Service struct {
	User       string
	Executable string
	Config     string
	JavaHome   string
	Log        string // a file, or a pattern of files as filepath.Match has it; empty: none
}

// Checks are the network checks, each with its defaults filled in.
type Checks struct {
	DNS   []DNS
	TLS   []TLS
	LDAPS []LDAPS
}

// Schedule is when a check is run and when its state changes.
type Schedule struct {
	Interval     time.Duration
	Timeout      time.Duration
	FailAfter    int
	RecoverAfter int
}

// Expiry is how long before a certificate's end a check warns and fails.
type Expiry struct {
	Warn, Fail time.Duration
}

// The words of a DNS check's dnssec.
const (
	DnssecOff      = "off"      // the resolver's AD bit is shown, nothing more
	DnssecRequire  = "require"  // the resolver must have set it
	DnssecValidate = "validate" // the chain is validated here
)

// DNS is a check that a name resolves at each of the servers.
type DNS struct {
	Name        string
	Query       string
	Type        string      // A, AAAA, CNAME, MX, NS, PTR, SOA, SRV or TXT
	Servers     []DNSServer // empty: those of resolv.conf
	Expect      []string    // when given, the answer's data must be exactly these
	Search      bool        // the search list of resolv.conf is tried, as a stub resolver does
	Dnssec      string      // off, require or validate
	TrustAnchor string      // with validate: a file of DS or DNSKEY records; empty: the root's
	Roots       []string    // for servers of tls and https, instead of trust.roots
	Schedule
}

// TLS is a check of a TLS server and its certificates.
type TLS struct {
	Name string
	Server
	ALPN  []string // the protocols offered, the first preferred; empty: none
	Proxy *Proxy   // nil: none
	HTTP  *HTTP    // nil: nothing is asked over the connection
	Schedule
}

// LDAPS is a check of a directory: TLS, bind, search. Its host is empty, and its port 0, where the servers are discovered.
type LDAPS struct {
	Name string
	Server
	StartTLS        bool   // TLS begins within plain LDAP
	Discover        string // the domain whose servers SRV records name; empty: the host is the server
	SASLExternal    bool   // the client certificate binds
	BindDN          string // empty: anonymous, or SASLExternal
	PasswordFile    string // absolute; its content is read at each run, never kept here
	BaseDN          string // empty: the rootDSE alone is read
	Filter          string
	MinEntries      int
	MaxEntries      int  // 0: any number
	PageSize        int  // entries to one page of the search (RFC 2696); 0: no pages
	Paged           bool // page_size is written: pages are asked for at any rate
	FollowReferrals bool
	Schedule
}

// The words of trust.java; anything else is the path of a Java home.
const (
	JavaAuto = "auto"
	JavaOff  = "off"
)

// Trust is which authorities are trusted.
type Trust struct {
	Roots        []string // system, or paths of PEM files, Java's stores, or folders of PEM files
	Java         string   // auto, off or a java_home
	PasswordFile string   // holds the password of those stores; empty: Java's own default
}

// Report is where results go.
type Report struct {
	Syslog   []Syslog
	Metrics  string // host:port to listen on; empty: no listener
	Textfile string // a file for node_exporter's textfile collector; empty: none
	History  *History
}

// Syslog is one syslog server.
type Syslog struct {
	Network string // unix, udp, tcp or tls
	Address string // a socket's path, or host:port
	CAFile  string // for tls; empty: the system's roots
}

// History is where changes of state, and who knocked, are kept.
type History struct {
	Path string
	Keep time.Duration
}

// Waiver accepts what a check finds until a day.
type Waiver struct {
	Check   string
	Reason  string
	Expires time.Time // 00:00 UTC of the first day on which it no longer holds

	at Place
}
