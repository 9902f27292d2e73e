package jvm

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxText bounds the text files that are read: a java.security has some 70 KiB.
const maxText = 1 << 20

// readText is the content of a file, at most maxText of it; a longer one is an error.
func readText(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxText+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("%s: larger than %d KiB", path, maxText>>10)
	}
	return text, nil
}
