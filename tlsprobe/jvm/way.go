package jvm

import (
	"errors"
	"io/fs"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Way is how a machine goes out for HTTPS, as its flags and its net.properties say. What a program sets by itself, SOCKS
// (socksProxyHost) and the proxies of the desktop (java.net.useSystemProxies) are not seen. The zero value goes straight.
type Way struct {
	Proxy string // host:port as it is given; empty: none
	Seen  bool   // the flags are those of a process: without a proxy, none was given to it
	// BasicDisabled says where it is forbidden to authenticate to a proxy by Basic for a tunnel: a file, or a flag. Empty:
	// it is not, or that is not known.
	BasicDisabled string

	straight []string // patterns of hosts to which it goes without the proxy
}

// netProperties are the places of the file that stands in for flags (sun.net.NetProperties): of Java 9 and later; of 8.
func netProperties() []string { return []string{"conf/net.properties", "lib/net.properties"} }

// way reads how the machine goes out. The notes say what could not be read.
func (m Machine) way() (way Way, notes []string) {
	seen := m.PID != 0
	for _, place := range netProperties() {
		path := filepath.Join(m.Home, place)
		text, err := readText(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return wayOf(m.Flags, nil, "", seen), []string{"its proxies cannot be told: " + err.Error()}
		}
		return wayOf(m.Flags, parseProperties(text), path, seen), nil
	}
	return wayOf(m.Flags, nil, "", seen), nil
}

// httpsPort is a proxy's where none is given: that of HTTPS itself (sun.net.spi.DefaultProxySelector.defaultPort).
const httpsPort = 443

// nobodyProxied are the hosts to which no proxy is used, whatever else is said (DefaultProxySelector.NonProxyInfo).
const nobodyProxied = "localhost|127.*|[::1]|0.0.0.0|[::0]"

// wayOf is the way that flags give, and the properties of a file where no flag says it.
func wayOf(flags Flags, properties map[string]string, file string, seen bool) Way {
	all := maps.Clone(properties)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, flags)
	way := Way{Seen: seen}
	if slices.ContainsFunc(strings.Split(all[PropertyTunnelDisabled], ","), func(scheme string) bool {
		return strings.EqualFold(strings.TrimSpace(scheme), "basic") // sun.net.www.protocol.http.HttpURLConnection
	}) {
		way.BasicDisabled = file
		if _, set := flags[PropertyTunnelDisabled]; set {
			way.BasicDisabled = "-D" + PropertyTunnelDisabled
		}
	}
	if all[PropertyProxyHost] == "" {
		return way
	}
	port, err := strconv.ParseUint(all[PropertyProxyPort], 10, 16)
	if err != nil || port == 0 {
		port = httpsPort
	}
	way.Proxy = net.JoinHostPort(strings.Trim(all[PropertyProxyHost], "[]"), strconv.FormatUint(port, 10))
	straight, set := all[PropertyNotProxied]
	switch {
	case !set:
		straight = nobodyProxied
	case straight != "": // an empty one is all that there is
		straight += "|" + nobodyProxied
	}
	way.straight = strings.Split(strings.ToLower(straight), "|")
	return way
}

// To is the proxy through which it goes to a host, as host:port; empty where it goes straight there.
func (w Way) To(host string) string {
	if w.Proxy == "" {
		return ""
	}
	host = strings.ToLower(host)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if slices.ContainsFunc(w.straight, func(pattern string) bool { return covers(pattern, host) }) {
		return ""
	}
	return w.Proxy
}

// covers says whether a pattern has the host: an asterisk counts at its ends (DefaultProxySelector.disjunctToRegex).
func covers(pattern, host string) bool {
	rest, before := strings.CutPrefix(pattern, "*")
	rest, behind := strings.CutSuffix(rest, "*")
	switch {
	case pattern == "":
		return false
	case before && behind:
		return strings.Contains(host, rest)
	case before:
		return strings.HasSuffix(host, rest)
	case behind:
		return strings.HasPrefix(host, rest)
	}
	return host == pattern
}
