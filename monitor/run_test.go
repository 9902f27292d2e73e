package monitor

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
)

func TestExecuteCompletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c := check.Check{Name: "n", Kind: "k", Target: "t", Timeout: time.Second}
		c.Run = func(ctx context.Context) check.Result {
			if deadline, ok := ctx.Deadline(); !ok || deadline.Sub(began) != time.Second {
				t.Errorf("deadline %v, want one second after %v", deadline, began)
			}
			time.Sleep(300 * time.Millisecond)
			return check.Result{Status: check.Fail, Cause: check.CertExpired}
		}
		r, hung := execute(t.Context(), c, time.Second, slog.New(slog.DiscardHandler))
		want := check.Result{
			Check: "n", Kind: "k", Target: "t", Status: check.Fail, Cause: check.CertExpired,
			Layer: check.LayerCertificate, Time: began, Duration: 300 * time.Millisecond,
		}
		if hung != nil || r.Check != want.Check || r.Kind != want.Kind || r.Target != want.Target || r.Layer != want.Layer ||
			!r.Time.Equal(want.Time) || r.Duration != want.Duration || r.Cause != want.Cause {
			t.Errorf("got %+v, want %+v", r, want)
		}
	})
}

func TestExecutePanic(t *testing.T) {
	runs := map[string]struct {
		run  func(context.Context) check.Result
		want string
	}{
		"text": {
			func(context.Context) check.Result { panic("bad\n\u202ebytes") },
			`the check panicked: "bad\n\u202ebytes"`,
		},
		"error": {
			func(context.Context) check.Result { panic(errors.New("e")) },
			`the check panicked: "e"`,
		},
		"long": {
			func(context.Context) check.Result { panic(strings.Repeat("x", 5000)) },
			`the check panicked: "` + strings.Repeat("x", maxPanicText) + `"`,
		},
		"goexit": {
			func(context.Context) check.Result { runtime.Goexit(); return check.Result{} },
			"the check panicked: it ended its goroutine",
		},
	}
	for name, tt := range runs {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			c := check.Check{Name: "boom", Timeout: time.Minute, Run: tt.run}
			r, hung := execute(t.Context(), c, time.Minute, slog.New(slog.NewTextHandler(&log, nil)))
			if hung != nil || r.Status != check.Unknown || r.Cause != check.Internal || r.Detail != tt.want {
				t.Errorf("got %+v, want detail %s", r, tt.want)
			}
			if !strings.Contains(log.String(), "attempt") || !strings.Contains(log.String(), "check=boom") {
				t.Errorf("no stack in the log: %s", log.String())
			}
		})
	}
}

func TestExecuteGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := check.Check{Name: "deaf", Timeout: time.Second, Run: func(context.Context) check.Result {
			<-release
			return check.Result{Status: check.OK}
		}}
		began := time.Now()
		r, hung := execute(t.Context(), c, 400*time.Millisecond, slog.New(slog.DiscardHandler))
		if took := time.Since(began); took != 1400*time.Millisecond {
			t.Errorf("gave up after %s, want the deadline and the grace, 1.4s", took)
		}
		if hung == nil || r.Status != check.Unknown || r.Cause != check.Internal {
			t.Errorf("got %+v, hung %v", r, hung)
		}
		if !strings.Contains(r.Detail, "has not returned, though its deadline was 1s") {
			t.Errorf("detail %q", r.Detail)
		}
		close(release)
		<-hung
	})
}
