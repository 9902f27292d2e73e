package control

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// authorize lets root and the server's own user in, by the credentials that the kernel noted at connect (unix(7),
// SO_PEERCRED). The socket's mode says the same; this holds even where somebody loosened it.
func authorize(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("peer credentials: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return fmt.Errorf("peer credentials: %w", err)
	}
	if credErr != nil {
		return fmt.Errorf("peer credentials: %w", credErr)
	}
	if cred.Uid != 0 && int(cred.Uid) != os.Getuid() {
		return fmt.Errorf("uid %d (pid %d) may not speak to this socket: only root and uid %d may",
			cred.Uid, cred.Pid, os.Getuid())
	}
	return nil
}
