package syslog

import (
	"os"
	"testing"
	"time"
)

// TestMain fixes the zone of the host, which the local form writes its times in.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}
