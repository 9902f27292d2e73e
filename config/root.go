package config

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// fileForm is the form of the whole file.
func fileForm() form[Config] {
	f := object([]key[Config]{
		field("paths", "The folders of this instance; several can live on one machine.", pathsForm(),
			func(c *Config) *Paths { return &c.Paths }).byDefault("{}"),
		firewallKey(),
		field("service", "The sync tool on this host, for posture, trust and egress.", serviceForm(),
			func(c *Config) **Service { return &c.Service }),
		field("checks", "The network checks: the ways out that must work.", checksForm(),
			func(c *Config) *Checks { return &c.Checks }).byDefault("{}"),
		field("trust", "Which certificate authorities are trusted.", trustForm(),
			func(c *Config) *Trust { return &c.Trust }).byDefault("{}"),
		field("report", "Where results go, besides standard output and the journal.", reportForm(),
			func(c *Config) *Report { return &c.Report }).byDefault("{}"),
		field("waivers", "Findings that are accepted until a day, each with its reason.", list(waiverForm(), 0),
			func(c *Config) *[]Waiver { return &c.Waivers }).byDefault("[]").
			sample(`[{check: posture.least.remote, reason: "break-glass until migration", expires: 2027-03-01}]`).aside(),
	}, judgeFile)
	return f
}

// firewallKey is the section firewall. A file without it leaves the firewall alone.
func firewallKey() key[Config] {
	k := field("firewall", "What may come in; all else is dropped. Without this section, the firewall is left alone.",
		firewallForm(), func(c *Config) *Firewall { return &c.Firewall })
	off := mustYAML("{mode: off}")
	k.absent = func(r *reader, c *Config) { k.read(r, off, c) }
	return k
}

// judgeFile judges what takes several sections to judge.
func judgeFile(r *reader, f *found, c *Config) {
	if f.sound("checks", "waivers") {
		judgeWaivers(r, f.values["waivers"], c)
	}
	judgeLikes(c)
	if trust, ok := f.values["trust"].(*ast.MappingNode); ok && f.sound("checks", "trust") {
		judgeJava(r, trust, c)
	}
	if c.Report.History != nil && c.Report.History.Path == "" {
		c.Report.History.Path = filepath.Join(c.Paths.State, "history.db")
	}
}

// judgeJava says so where a Java is named that no check is judged by.
func judgeJava(r *reader, trust *ast.MappingNode, c *Config) {
	judged := slices.ContainsFunc(c.Checks.TLS, func(t TLS) bool { return t.Like == LikeJVM }) ||
		slices.ContainsFunc(c.Checks.LDAPS, func(l LDAPS) bool { return l.Like == LikeJVM })
	if strings.HasPrefix(c.Trust.Java, "/") && !judged {
		r.notice(valueOf(trust, "java", trust), "trust.java: "+c.Trust.Java+" judges nothing, for no check has like: jvm")
	}
}

// valueOf is the value of a key of a mapping, or what stands for it when there is none.
func valueOf(n *ast.MappingNode, name string, otherwise ast.Node) ast.Node {
	for _, v := range n.Values {
		if v.Key.GetToken().Value == name {
			return v.Value
		}
	}
	return otherwise
}

// maxRuntime bounds the folder of the sockets: a socket's path has at most 107 bytes (unix(7), sun_path).
const maxRuntime = 80

func pathsForm() form[Paths] {
	return object([]key[Paths]{
		field("state", "What survives a restart.", paths(), func(p *Paths) *string { return &p.State }).
			byDefault("/var/lib/sallyport"),
		field("runtime", "The sockets.", paths(), func(p *Paths) *string { return &p.Runtime }).
			byDefault("/run/sallyport"),
	}, func(r *reader, f *found, p *Paths) {
		switch {
		case !f.sound("state", "runtime"):
		case p.State == p.Runtime:
			r.wrong(f.at("runtime", "state"), "name two folders", "state and runtime are the same folder")
		case len(p.Runtime) > maxRuntime:
			r.wrong(f.at("runtime"), "name a shorter one, as in /run/sallyport",
				"the folder is longer than %d bytes: no socket fits in it",
				maxRuntime)
		}
	})
}
