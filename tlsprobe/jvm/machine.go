package jvm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Service is what the configuration says of the service.
type Service struct {
	User       string // who runs it, a name or a number; empty: processes are told by Executable alone
	Executable string // its program; a Java may lie beside it
	JavaHome   string // where its Java is, if nothing better is known
	Java       string // the Java to judge by, whatever runs; empty: it is found
}

// Machine is the Java virtual machine of a service.
type Machine struct {
	Home    string // java.home; of a JDK 8, the folder jre in it
	How     string // how it was found, to stand after "Java ...,"
	PID     int    // of the process whose flags these are; 0 where none was seen
	Running bool   // that process runs now
	Release Release
	Flags   Flags
	Folder  string   // the process's working directory, against which paths of flags count; empty where unknown
	Notes   []string // what could not be read, and what it means
}

// String names the machine in a sentence: Java 17.0.15 at /opt/uds/jre.
func (m Machine) String() string {
	name := "Java"
	if m.Release.Version != "" {
		name += " " + m.Release.Version
	}
	return name + " at " + m.Home
}

// errNone is the error of a service whose Java is not found.
var errNone = errors.New("the service's Java is not found: set service.java_home, or trust.java to its path or to off")

// Host is where things are on a host. The zero value is the host itself.
type Host struct {
	Proc     string   // /proc
	Defaults []string // Java homes, or links to the program java, to take where nothing else is known

	// Seen is the machine that a process of the service was last seen with, for a service that does not run all the time.
	Seen *Machine
	// SeenAt is when that was.
	SeenAt time.Time
}

func (h Host) withDefaults() Host {
	if h.Proc == "" {
		h.Proc = "/proc"
	}
	if h.Defaults == nil {
		h.Defaults = []string{"/usr/lib/jvm/default-java", "/usr/lib/jvm/default", "/usr/lib/jvm/jre", "/usr/bin/java"}
	}
	return h
}

// Find finds the machine that the service runs on. The first of these that there is counts: the one that the operator
// says (Service.Java); that of a running process of the service, or of the last one seen; the one that lies beside the
// service's program; Service.JavaHome; the system's default.
func (h Host) Find(s Service) (Machine, error) {
	h = h.withDefaults()
	if s.Java != "" {
		home, ok := homeOf(s.Java)
		if !ok {
			return Machine{}, fmt.Errorf("%s is no Java home: it has no lib/security: correct trust.java", s.Java)
		}
		return machine(home, "as trust.java says"), nil
	}
	running, notes := h.running(s)
	if running != nil && running.Home != "" {
		running.Notes = append(running.Notes, notes...)
		return *running, nil
	}
	m, err := h.resting(s)
	if err != nil {
		return m, err
	}
	if running != nil {
		m.Flags, m.PID, m.Folder, m.Running = running.Flags, running.PID, running.Folder, true
		notes = append(notes, running.Notes...)
	}
	m.Notes = append(m.Notes, notes...)
	return m, nil
}

// resting is the machine that the service will run on, told without a process.
func (h Host) resting(s Service) (Machine, error) {
	if h.Seen != nil && isHome(h.Seen.Home) {
		m := *h.Seen
		m.Running = false
		m.Release = readRelease(m.Home)
		m.How = fmt.Sprintf("as the process %d of the service ran it, last seen %s", m.PID,
			h.SeenAt.UTC().Format("2006-01-02 15:04 UTC"))
		m.Notes = slices.Clone(m.Notes)
		return m, nil
	}
	for _, home := range beside(s.Executable) {
		if home, ok := homeOf(home); ok {
			return machine(home, "bundled with "+s.Executable), nil
		}
	}
	if s.JavaHome != "" {
		if home, ok := homeOf(s.JavaHome); ok {
			return machine(home, "as service.java_home says"), nil
		}
		return Machine{}, fmt.Errorf("%s is no Java home: it has no lib/security: correct service.java_home", s.JavaHome)
	}
	for _, path := range h.Defaults {
		if home, ok := homeOf(path); ok {
			return machine(home, "the system's default, for the service's own is not found"), nil
		}
	}
	return Machine{}, errNone
}

func machine(home, how string) Machine {
	return Machine{Home: home, How: how, Release: readRelease(home)}
}

// beside are the places where installers put a Java of the program's own.
func beside(executable string) []string {
	if executable == "" {
		return nil
	}
	if resolved, err := filepath.EvalSymlinks(executable); err == nil {
		executable = resolved
	}
	folder := filepath.Dir(executable)
	var places []string
	for _, base := range []string{folder, filepath.Dir(folder)} {
		if base == "/" || base == "/usr" {
			continue
		}
		for _, name := range []string{"jre", "jvm", "runtime", "lib/runtime", "jdk", "java", "jre64"} {
			places = append(places, filepath.Join(base, name))
		}
	}
	return places
}

// homeOf is the Java home at a path: of a JDK, of a JRE, or of the program java itself.
func homeOf(path string) (string, bool) {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false
	}
	if info, err := os.Stat(resolved); err == nil && !info.IsDir() {
		resolved = filepath.Dir(filepath.Dir(resolved))
	}
	for _, home := range []string{filepath.Join(resolved, "jre"), resolved} { // a JDK 8 has its java.home in jre
		if isHome(home) {
			return home, true
		}
	}
	return "", false
}

func isHome(path string) bool {
	for _, mark := range []string{"lib/security", "conf/security"} {
		if info, err := os.Stat(filepath.Join(path, mark)); err == nil && info.IsDir() {
			return true
		}
	}
	return false
}

// Release is what the file release of a Java home says.
type Release struct {
	Version     string // 17.0.15, 1.8.0_412; empty where there is no such file
	Implementor string
}

// Feature is the feature release: 8, 17; 0 where it is not known.
func (r Release) Feature() int {
	version := strings.TrimPrefix(r.Version, "1.")
	digits := strings.IndexFunc(version, func(c rune) bool { return c < '0' || c > '9' })
	if digits < 0 {
		digits = len(version)
	}
	n, err := strconv.Atoi(version[:digits])
	if err != nil {
		return 0
	}
	return n
}

// readRelease reads the file release. That of a JDK 8 stands beside its jre.
func readRelease(home string) Release {
	for _, folder := range []string{home, filepath.Dir(home)} {
		if folder != home && filepath.Base(home) != "jre" {
			break
		}
		text, err := readText(filepath.Join(folder, "release"))
		if err != nil {
			continue
		}
		fields := parseProperties(text)
		return Release{Version: clean(fields["JAVA_VERSION"]), Implementor: clean(fields["IMPLEMENTOR"])}
	}
	return Release{}
}

// clean is a short value of a file that others write, without its quotation marks.
func clean(s string) string {
	s = strings.Trim(s, `"`)
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 64)]
}
