package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxRequest and maxResponse bound one message in bytes: a request is small, an answer may hold the results of a few
// hundred checks with their evidence.
const (
	maxRequest  = 64 << 10
	maxResponse = 16 << 20
)

var errTooLarge = errors.New("control message is too large")

// writeMessage writes one message: JSON and a newline.
func writeMessage(w io.Writer, message any) error {
	raw, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode control message: %w", err)
	}
	if len(raw) >= maxResponse {
		return errTooLarge
	}
	_, err = w.Write(append(raw, '\n'))
	return err
}

// readMessage reads one message of at most limit bytes.
func readMessage(r *bufio.Reader, limit int, message any) error {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return errTooLarge
		}
		line = append(line, part...)
		if err == nil {
			break
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && len(line) > 0 {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if err := json.Unmarshal(line, message); err != nil {
		return fmt.Errorf("decode control message: %w", err)
	}
	return nil
}
