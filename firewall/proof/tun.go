package proof

import (
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoPackets says that no packets can be sent here: there is no namespace, no TUN device or no IP to send them by.
// What they would have proved is not known.
var ErrNoPackets = errors.New("no packets can be sent here")

// tunPath is the file that TUN devices are made by; a unit with PrivateDevices= has none.
const tunPath = "/dev/net/tun"

// device is an interface of the kernel whose other end is this process: what is written comes in by it, what the kernel
// sends by it can be read. TUN carries IP packets, TAP Ethernet frames (Documentation/networking/tuntap.rst). It goes
// with its descriptor, however the process ends, unless it was made to last.
type device struct {
	name     string
	index    int
	fd       int
	hardware []byte // its own link-layer address; none for TUN
}

// openDevice makes an interface of that name, up, in the network namespace of the calling thread. One that lasts stays in
// the namespace and goes with that: to take an interface away costs the kernel some 15 ms, to leave it nothing.
func openDevice(name string, kind uint16, lasts bool) (d *device, err error) {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: open %s: %w", ErrNoPackets, tunPath, err)
	}
	made := &device{name: name, fd: fd}
	defer func() {
		if err != nil {
			err = errors.Join(err, made.close())
		}
	}()
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, fmt.Errorf("interface %q: %w", name, err)
	}
	request.SetUint16(kind | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return nil, fmt.Errorf("%w: make the interface %q: %w", ErrNoPackets, name, err)
	}
	if lasts {
		if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
			return nil, fmt.Errorf("%w: keep the interface %q: %w", ErrNoPackets, name, err)
		}
	}
	found, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("%w: interface %q: %w", ErrNoPackets, name, err)
	}
	made.index, made.hardware = found.Index, found.HardwareAddr
	return made, nil
}

func (d *device) close() error {
	if err := unix.Close(d.fd); err != nil {
		return fmt.Errorf("close the interface %s: %w", d.name, err)
	}
	return nil
}

// write has a packet come in by the interface. The kernel has judged it when write returns (tun_get_user receives it in
// the caller's context).
func (d *device) write(packet []byte) error {
	if _, err := unix.Write(d.fd, packet); err != nil {
		return fmt.Errorf("send by %s: %w", d.name, err)
	}
	return nil
}

// maxPacket is the largest packet that is read; the interfaces' MTU is 1500.
const maxPacket = 2048

// read gives what the kernel has sent by the interface, in order, until there is no more or take says that it has what it
// waited for. It waits at most so long for the first, and each next.
func (d *device) read(wait time.Duration, take func([]byte) bool) (took bool, err error) {
	buffer := make([]byte, maxPacket)
	deadline := time.Now().Add(wait)
	for {
		n, err := unix.Read(d.fd, buffer)
		switch {
		case err == nil:
			if take(buffer[:n]) {
				return true, nil
			}
		case errors.Is(err, unix.EAGAIN):
			if left := time.Until(deadline); left <= 0 {
				return false, nil
			} else if err := await(d.fd, unix.POLLIN, left); err != nil {
				return false, err
			}
		case !errors.Is(err, unix.EINTR):
			return false, fmt.Errorf("read from %s: %w", d.name, err)
		}
	}
}

// forget reads what was sent until now, so that what is read next is of what follows.
func (d *device) forget() error {
	_, err := d.read(0, func([]byte) bool { return false })
	return err
}

// await waits until the descriptor is ready, or so long.
func await(fd int, events int16, wait time.Duration) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, int(wait.Milliseconds())+1)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("poll: %w", err)
	}
	return nil
}
