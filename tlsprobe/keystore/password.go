package keystore

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxPassword is how many bytes the file of a password may have.
const maxPassword = 4 << 10

// ReadPassword is the password in a file, without one line end after it.
func ReadPassword(path string) (string, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO without a writer must not hold up anybody
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxPassword+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxPassword {
		return "", fmt.Errorf("%s is larger than %d bytes", path, maxPassword)
	}
	return string(bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))), nil
}
