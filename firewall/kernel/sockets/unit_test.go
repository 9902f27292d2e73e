package sockets

import (
	"strings"
	"testing"
)

func TestUnitOf(t *testing.T) {
	for cgroup, want := range map[string]string{
		"":                               "",
		"0::/\n":                         "",
		"nonsense":                       "",
		"0::/system.slice/ssh.service\n": "ssh.service",
		"0::/system.slice/system-getty.slice/getty@tty1.service":                      "getty@tty1.service",
		"0::/system.slice/docker-0123abcd.scope\n":                                    "docker-0123abcd.scope",
		"0::/system.slice/uds.service/worker/7\n":                                     "uds.service",
		"0::/user.slice/user-1000.slice/session-3.scope\n":                            "session-3.scope",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope\n":    "app-x.scope",
		"12:pids:/system.slice/a.service\n1:name=systemd:/system.slice/b.service\n":   "b.service",
		"1:name=systemd:/system.slice/b.service\n0::/\n":                              "b.service",
		"1:name=systemd:/\n0::/system.slice/c.service\n":                              "c.service",
		"12:memory:/docker/0123\n1:name=systemd:/docker/0123\n":                       "",
		"0::/system.slice/a:b.service\n":                                              "a:b.service",
		"0::/.service\n":                                                              "",
		"0::/system.slice/ssh.service (deleted)\n0::/x.slice":                         "",
		"5:cpu,cpuacct:/system.slice/only-v1.service\n4:memory:/system.slice/x.scope": "",
	} {
		if got := UnitOf(cgroup); got != want {
			t.Errorf("%q: %q, want %q", cgroup, got, want)
		}
	}
}

func FuzzUnitOf(f *testing.F) {
	f.Add("0::/system.slice/ssh.service\n")
	f.Add("1:name=systemd:/a.scope/b\n0::/")
	f.Fuzz(func(t *testing.T, cgroup string) {
		unit := UnitOf(cgroup)
		if unit == "" {
			return
		}
		if strings.ContainsAny(unit, "/\n") || !strings.Contains(cgroup, unit) {
			t.Errorf("%q is no element of a path in %q", unit, cgroup)
		}
	})
}
