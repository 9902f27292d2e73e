package guard

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"sallyport/firewall/kernel"
	"sallyport/firewall/kernel/sockets"
)

// Author is who changed the ruleset, as far as could be told. Its texts are in printable ASCII, and short.
type Author struct {
	PID     int    `json:"pid,omitempty"`     // the process; where it was gone already, the thread that committed
	Command string `json:"command,omitempty"` // the thread's name, from the kernel
	Cmdline string `json:"cmdline,omitempty"` // empty where the process was gone already
	UID     *int   `json:"uid,omitempty"`     // the real one, as our user namespace numbers it; likewise
	Unit    string `json:"unit,omitempty"`    // of systemd; likewise, and where it belongs to one
}

const (
	procfs     = "/proc"
	authorRead = 4 << 10 // of each file of a process
	authorText = 200     // of each text, after escaping
)

// authorOf says who made a change. A process that has ended since, as nft does within milliseconds, leaves its name and
// number only. So does one of which proc speaks differently than the notification: where we are in a PID namespace of
// our own, the number means another process there or none.
func authorOf(proc string, c kernel.Change) Author {
	author := unresolved(c)
	dir := proc + "/" + strconv.Itoa(c.Thread)
	if !named(dir, c) {
		return author
	}
	status, cmdline := contents(dir+"/status"), contents(dir+"/cmdline")
	if process, ok := numberIn(status, "Tgid:"); ok {
		author.PID = process
	}
	if uid, ok := numberIn(status, "Uid:"); ok {
		author.UID = &uid
	}
	author.Unit = escaped(sockets.UnitOf(string(contents(dir + "/cgroup"))))
	author.Cmdline = escaped(string(bytes.ReplaceAll(bytes.TrimRight(cmdline, "\x00"), []byte{0}, []byte{' '})))
	return author
}

// unresolved is what the notification alone tells.
func unresolved(c kernel.Change) Author { return Author{PID: c.Thread, Command: escaped(c.Command)} }

// ours says whether a thread of this process made the change.
func ours(c kernel.Change) bool {
	return named(procfs+"/self/task/"+strconv.Itoa(c.Thread), c)
}

// named says whether the thread of a directory in proc has the name that the notification has.
func named(dir string, c kernel.Change) bool {
	return c.Thread != 0 && strings.TrimSuffix(string(contents(dir+"/comm")), "\n") == c.Command
}

// contents is the beginning of a file, and nothing where it cannot be read.
func contents(name string) []byte {
	file, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(file, authorRead))
	if err != nil {
		return nil // the process ended in between
	}
	return text
}

// numberIn is the first number of a line of /proc/PID/status.
func numberIn(status []byte, name string) (int, bool) {
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == name {
			n, err := strconv.Atoi(fields[1])
			return n, err == nil
		}
	}
	return 0, false
}

// escaped makes a text of others fit for a log and a terminal. What a process calls itself is not to be trusted.
func escaped(text string) string {
	quoted := strconv.QuoteToASCII(text)
	text = quoted[1 : len(quoted)-1]
	if len(text) > authorText {
		text = text[:authorText] + "..."
	}
	return text
}

// String is the author in words: "nft" (pid 1234: "nft flush ruleset", uid 0, firewalld.service). What a process says of
// itself stands in quotes, so that it passes for nothing else.
func (a Author) String() string {
	text := fmt.Sprintf(`"%s" (pid %d`, a.Command, a.PID)
	if a.Cmdline != "" {
		text += `: "` + a.Cmdline + `"`
	}
	if a.UID == nil {
		return text + ", gone already)"
	}
	text += fmt.Sprintf(", uid %d", *a.UID)
	if a.Unit != "" {
		text += ", " + a.Unit
	}
	return text + ")"
}
