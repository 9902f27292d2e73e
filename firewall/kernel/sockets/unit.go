package sockets

import (
	"path"
	"strings"
)

// UnitOf is the systemd unit that a process belongs to, by the text of its /proc/PID/cgroup (cgroups(7)): the innermost
// service or scope on its path. In the unified hierarchy that is the line 0::/path, in the older one the line of the named
// hierarchy name=systemd; where both are mounted, systemd's own says more than an empty unified one. It is empty where the
// process belongs to none, as in most containers. The text is the kernel's, but the names in it are chosen by whoever
// makes a cgroup: they are not to be trusted.
func UnitOf(cgroup string) string {
	unified := ""
	for line := range strings.Lines(cgroup) {
		// hierarchy-ID:controller-list:path, of which only the path may hold a colon.
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		unit := innermostUnit(fields[2])
		switch {
		case fields[1] == "name=systemd" && unit != "":
			return unit
		case fields[0] == "0" && fields[1] == "":
			unified = unit
		}
	}
	return unified
}

// innermostUnit is the last element of a cgroup's path that is named like a service or a scope. Slices only group units,
// and what a service makes below its own cgroup has other names.
func innermostUnit(cgroup string) string {
	for cgroup != "" && cgroup != "/" && cgroup != "." {
		name := path.Base(cgroup)
		if stem, ok := strings.CutSuffix(name, ".service"); ok && stem != "" {
			return name
		}
		if stem, ok := strings.CutSuffix(name, ".scope"); ok && stem != "" {
			return name
		}
		parent := path.Dir(cgroup)
		if parent == cgroup {
			break
		}
		cgroup = parent
	}
	return ""
}
