package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideVariable tells the second incarnation of the process which network namespace the first one had.
const insideVariable = "SALLYPORT_LAB_OUTSIDE"

// procVariable holds the number of a descriptor of the machine's /proc.
const procVariable = "SALLYPORT_LAB_PROC"

// mend is what to do where namespaces are not allowed.
const mend = "run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1 and " +
	"user.max_user_namespaces=1000, on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0)"

// Isolated runs inside in a second incarnation of this process, in mount, network and PID namespaces of its own, and
// also in a user namespace where the process is not root. It returns the exit code. Since inside is process 1 of its PID
// namespace, nothing that it started outlives it; it is told by SIGTERM when the first incarnation dies.
//
// The caller's code before and after runs in both incarnations.
func Isolated(inside func() int) int {
	outside := os.Getenv(insideVariable)
	if outside == "" {
		code, err := again()
		if err != nil {
			fmt.Fprintf(os.Stderr, "sallyport-lab: no private namespaces here: %v; %s\n", err, mend)
			return 3
		}
		return code
	}
	if err := arrive(outside); err != nil {
		fmt.Fprintf(os.Stderr, "sallyport-lab: %v; %s\n", err, mend)
		return 3
	}
	return inside()
}

// arrive makes sure that the process is away from the machine's own namespaces, and that mounts stay here.
func arrive(outside string) error {
	if err := os.Unsetenv(insideVariable); err != nil {
		return err
	}
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return fmt.Errorf("which network namespace this is: %w", err)
	}
	if here == outside {
		return errors.New("still in the machine's own network namespace")
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keeping mounts private: %w", err)
	}
	if err := procOfOurOwn(); err != nil {
		return err
	}
	return loopbackUp()
}

// procOfOurOwn mounts a /proc that shows the PID namespace, and keeps the machine's one open, where threads have the
// numbers by which outsiders know them. Where a container hides parts of /proc the kernel allows no other (EPERM), and the
// machine's has to do.
func procOfOurOwn() error {
	if err := os.Unsetenv(procVariable); err != nil { // a lab that started this process may have had its own
		return err
	}
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("keeping the machine's /proc: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return unix.Close(fd)
	}
	return os.Setenv(procVariable, strconv.Itoa(fd))
}

// outsideProc is the machine's /proc.
func outsideProc() string {
	if fd := os.Getenv(procVariable); fd != "" {
		return "/proc/self/fd/" + fd
	}
	return "/proc"
}

// again starts the second incarnation and waits for it. Root keeps its user namespace if it may; it may not in most
// containers, and then a user namespace is tried as for anybody else.
func again() (int, error) {
	// The death signal comes when the thread that forked ends (prctl(2), PR_SET_PDEATHSIG), so it must not end early.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if os.Geteuid() == 0 {
		code, err := incarnate(0)
		if !errors.Is(err, unix.EPERM) {
			return code, err
		}
	}
	return incarnate(unix.CLONE_NEWUSER)
}

func incarnate(user uintptr) (int, error) {
	outside, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, os.Args[1:]...) //nolint:noctx // a signal ends it, which it passes on to what it started
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), insideVariable+"="+outside)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | user,
		Pdeathsig:  syscall.SIGTERM,
	}
	if user != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return accompany(cmd, signals)
}

// accompany passes signals on to the child and waits for its end.
func accompany(cmd *exec.Cmd, signals <-chan os.Signal) (int, error) {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s) // it fails only when the child has ended, which is seen next
		case err := <-ended:
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				return 0, err
			}
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
				return 128 + int(status.Signal()), nil
			}
			return cmd.ProcessState.ExitCode(), nil
		}
	}
}
