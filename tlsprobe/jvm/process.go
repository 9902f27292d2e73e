package jvm

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// maxProcesses is how many processes are looked at, at most.
const maxProcesses = 65_536

// process is a Java process of the service.
type process struct {
	pid     int
	program string   // its path, or what it was called by; empty where unknown
	args    []string // without the program
	cwd     string
	environ []string // nil where it may not be read
	notes   []string
	java    bool // the program is Java's own launcher, whose arguments have their order
}

// running is the machine of the service's process: nil where there is none. Its home is empty where there is one, but
// its files are not to be told. The notes say what could not be seen.
func (h Host) running(s Service) (*Machine, []string) {
	uid, err := userID(s.User)
	if err != nil {
		return nil, []string{err.Error()}
	}
	if uid < 0 && s.Executable == "" {
		return nil, nil
	}
	found, hidden := h.processes(uid, s)
	if len(found) == 0 {
		return nil, hidden
	}
	best := found[0]
	for _, p := range found {
		if p.mentions(s.Executable) {
			best = p
			break
		}
	}
	m := best.machine()
	m.How = fmt.Sprintf("as the running process %d of the service uses it", best.pid)
	if len(found) > 1 {
		m.Notes = append(m.Notes, fmt.Sprintf("%d Java processes of the service run; process %d is taken",
			len(found), best.pid))
	}
	return &m, nil
}

// userID is -1 for no user.
func userID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if id, err := strconv.Atoi(name); err == nil {
		return id, nil
	}
	found, err := user.Lookup(name)
	if err != nil {
		return -1, fmt.Errorf("the service's user %s is not known here, so none of its processes is looked for",
			strconv.QuoteToASCII(name))
	}
	return strconv.Atoi(found.Uid)
}

// processes are the Java processes of the user, or those that mention the service's folder where there is no user. The
// second value says why there may be more.
func (h Host) processes(uid int, s Service) (found []process, hidden []string) {
	entries, err := os.ReadDir(h.Proc)
	if err != nil {
		return nil, []string{"processes cannot be listed: " + err.Error()}
	}
	for _, entry := range entries[:min(len(entries), maxProcesses)] {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || uid >= 0 && h.owner(entry.Name()) != uid {
			continue
		}
		p, err := h.look(pid)
		switch {
		case errors.Is(err, fs.ErrPermission):
			hidden = append(hidden, fmt.Sprintf("process %d of the service's user cannot be read (hidepid)", pid))
		case err == nil && p != nil && (uid >= 0 || p.mentions(s.Executable)):
			found = append(found, *p)
		}
	}
	slices.SortFunc(found, func(a, b process) int { return a.pid - b.pid })
	if len(found) == 0 && len(hidden) == 0 && h.hides() {
		hidden = append(hidden, "processes of other users cannot be seen (hidepid)")
	}
	return found, hidden[:min(len(hidden), 1)]
}

func (h Host) owner(pid string) int {
	info, err := os.Stat(filepath.Join(h.Proc, pid))
	if err != nil {
		return -1
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

// hides says that the proc file system is mounted so that it shows no processes of others (proc(5), hidepid).
func (h Host) hides() bool {
	mounts, err := readText(filepath.Join(h.Proc, "self/mounts"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 3 && fields[2] == "proc" && fields[1] == h.Proc {
			return strings.Contains(fields[3], "hidepid=") && !strings.Contains(fields[3], "hidepid=0")
		}
	}
	return false
}

// look reads one process: nil for one that is no Java.
func (h Host) look(pid int) (*process, error) {
	folder := filepath.Join(h.Proc, strconv.Itoa(pid))
	line, err := readText(filepath.Join(folder, "cmdline"))
	if err != nil {
		return nil, err
	}
	args := splitZero(line)
	if len(args) == 0 {
		return nil, nil // a thread of the kernel, or a process that ends
	}
	p := &process{pid: pid, program: args[0], args: args[1:]}
	exe, err := os.Readlink(filepath.Join(folder, "exe"))
	if err == nil {
		p.program = exe
	}
	if rest, deleted := strings.CutSuffix(p.program, " (deleted)"); deleted {
		p.program = rest
		p.notes = append(p.notes, fmt.Sprintf("the Java of process %d was replaced since it started", pid))
	}
	p.java = filepath.Base(p.program) == "java"
	if !p.java {
		library := mappedJVM(filepath.Join(folder, "maps"))
		if library == "" {
			return nil, nil
		}
		p.program = library
	}
	p.cwd, _ = os.Readlink(filepath.Join(folder, "cwd"))
	if environ, err := readText(filepath.Join(folder, "environ")); err == nil {
		p.environ = splitZero(environ)
	}
	return p, nil
}

func splitZero(data []byte) []string {
	var texts []string
	for part := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte{0}), []byte{0}) {
		if len(data) > 0 {
			texts = append(texts, string(part))
		}
	}
	return texts
}

// mappedJVM is the path of libjvm.so in a process that a launcher of its own runs; empty where there is none, or where
// its mappings may not be read.
func mappedJVM(maps string) string {
	text, err := readText(maps)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if at := strings.IndexByte(line, '/'); at >= 0 && strings.HasSuffix(strings.TrimSpace(line), "/libjvm.so") {
			return strings.TrimSpace(line[at:])
		}
	}
	return ""
}

// mentions says that the process is of the folder that the service is installed in.
func (p process) mentions(executable string) bool {
	if executable == "" {
		return false
	}
	folder := filepath.Dir(executable)
	if filepath.Base(folder) == "bin" {
		folder = filepath.Dir(folder)
	}
	inside := func(text string) bool { return strings.Contains(text, folder+"/") }
	return folder != "/" && (inside(p.program) || slices.ContainsFunc(p.args, inside))
}

// machine is what the process runs on.
func (p process) machine() Machine {
	m := Machine{PID: p.pid, Running: true, Folder: p.cwd, Notes: p.notes}
	program := p.program
	if !filepath.IsAbs(program) && p.cwd != "" && strings.Contains(program, "/") {
		program = filepath.Join(p.cwd, program)
	}
	if filepath.IsAbs(program) {
		m.Home = homeAbove(program)
	}
	if m.Home == "" {
		m.Notes = append(m.Notes, fmt.Sprintf("which Java process %d runs cannot be told from %s", p.pid,
			strconv.QuoteToASCII(p.program)))
	} else {
		m.Release = readRelease(m.Home)
	}
	m.Flags = p.flags()
	if p.environ == nil {
		m.Notes = append(m.Notes, fmt.Sprintf("the environment of process %d (JAVA_TOOL_OPTIONS) cannot be read", p.pid))
	}
	return m
}

// homeAbove is the Java home that a program or library lies in: bin/java, lib/server/libjvm.so, lib/amd64/server/libjvm.so.
func homeAbove(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	for range 5 {
		if path = filepath.Dir(path); path == "/" {
			break
		}
		if home, ok := homeOf(path); ok {
			return home
		}
	}
	return ""
}
