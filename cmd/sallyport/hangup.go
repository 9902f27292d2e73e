package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// onHangup calls act for each SIGHUP until the context ends. Hangups that come while act runs count as one.
func onHangup(ctx context.Context, act func()) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			act()
		}
	}
}
