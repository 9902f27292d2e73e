package lab

import (
	"context"
	"fmt"
	"time"
)

// Until calls probe again and again, some milliseconds apart, until it returns nil. When ctx ends first, what probe said
// last is the error.
func Until(ctx context.Context, what string, probe func() error) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := probe()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (waited: %w)", what, err, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}
