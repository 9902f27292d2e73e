package jvm

import (
	"path/filepath"
	"slices"
	"strings"
)

// Names of system properties that decide what a service trusts, and how it connects.
const (
	PropertyTrustStore         = "javax.net.ssl.trustStore"
	PropertyTrustStoreType     = "javax.net.ssl.trustStoreType"
	PropertyTrustStorePassword = "javax.net.ssl.trustStorePassword" // its value is a secret
	PropertySecurity           = "java.security.properties"
	PropertyProxyHost          = "https.proxyHost"
	PropertyProxyPort          = "https.proxyPort"
	PropertyNotProxied         = "http.nonProxyHosts" // of HTTPS too
	PropertyTunnelDisabled     = "jdk.http.auth.tunneling.disabledSchemes"
	PropertyNoLDAPSNames       = "com.sun.jndi.ldap.object.disableEndpointIdentification"

	propertyProtocols = "jdk.tls.client.protocols"
	propertySuites    = "jdk.tls.client.cipherSuites"
	propertyGroups    = "jdk.tls.namedGroups"
	propertySchemes   = "jdk.tls.client.SignatureSchemes"
	propertyFFDHE     = "jsse.enableFFDHE"
)

// Flags are the system properties of a process that are listed above; no other is kept, for some are secrets.
type Flags map[string]string

func (f Flags) set(name, value string) {
	if slices.Contains([]string{
		PropertyTrustStore, PropertyTrustStoreType, PropertyTrustStorePassword, PropertySecurity, PropertyProxyHost,
		PropertyProxyPort, PropertyNotProxied, PropertyTunnelDisabled, PropertyNoLDAPSNames, propertyProtocols,
		propertySuites, propertyGroups, propertySchemes, propertyFFDHE,
	}, name) {
		f[name] = value
	}
}

// ComparesLDAPSNames says whether the machine's own client of LDAP compares the server's name with the certificate's over
// ldaps. The flag ends that where it is true or empty (com.sun.jndi.ldap.Connection). After StartTLS names are compared at
// any rate (com.sun.jndi.ldap.ext.StartTlsResponseImpl).
func (m Machine) ComparesLDAPSNames() bool {
	off, set := m.Flags[PropertyNoLDAPSNames]
	return !set || off != "" && !strings.EqualFold(off, "true")
}

// flags are those of the process: of JAVA_TOOL_OPTIONS, then of the launcher's own variable, of the command line, and of
// _JAVA_OPTIONS, each winning over those before it (java(1); arguments.cpp, Arguments::parse).
func (p process) flags() Flags {
	flags := Flags{}
	variable := func(name string) {
		for _, one := range p.environ {
			if value, ok := strings.CutPrefix(one, name+"="); ok {
				p.take(flags, fields(value), false)
			}
		}
	}
	variable("JAVA_TOOL_OPTIONS")
	if p.java {
		variable("JDK_JAVA_OPTIONS")
	}
	p.take(flags, p.args, p.java)
	variable("_JAVA_OPTIONS")
	return flags
}

// maxArguments bounds what files of arguments may add.
const maxArguments = 100_000

// take sets what the arguments set. Those of Java's own launcher end where the program's begin, and @FILE among them
// stands for the arguments in a file; files in files do not count (java(1), launcher argument files).
func (p process) take(flags Flags, args []string, launcher bool) {
	expand := launcher
	for i := 0; i < len(args) && i < maxArguments; i++ {
		arg := args[i]
		name, isFile := strings.CutPrefix(arg, "@")
		switch {
		case strings.HasPrefix(arg, "-D"):
			name, value, _ := strings.Cut(arg[2:], "=")
			flags.set(name, value)
		case !launcher:
		case arg == "--disable-@files":
			expand = false
		case expand && isFile && !strings.HasPrefix(name, "@"):
			args = slices.Concat(args[:i+1], p.argumentFile(name), args[i+1:])
		case takesValue(arg):
			i++
		case arg == "-jar", arg == "-m", arg == "--module", !strings.HasPrefix(arg, "-"):
			return
		}
	}
}

func takesValue(arg string) bool {
	return slices.Contains([]string{
		"-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path", "--add-modules",
		"--limit-modules", "--add-reads", "--add-exports", "--add-opens", "--patch-module", "--enable-native-access",
		"--source", "-d", "--describe-module",
	}, arg)
}

// argumentFile are the arguments in a file, as far as it may be read; an @ in it stands for itself.
func (p process) argumentFile(name string) []string {
	if !filepath.IsAbs(name) {
		if p.cwd == "" {
			return nil
		}
		name = filepath.Join(p.cwd, name)
	}
	text, err := readText(name)
	if err != nil {
		return nil
	}
	args := fields(string(text))
	return slices.DeleteFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "@") })
}
