package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"sallyport/check"
)

// maxPanicText bounds what a panic may put into a result's detail, in bytes before quoting.
const maxPanicText = 200

// execute does one run of a check: under its deadline, with a panic turned into a result. It returns at the latest
// grace after the context's end. If the check has not returned by then, the result says so, and the channel, nil
// otherwise, is closed when it does.
func execute(
	ctx context.Context, c check.Check, grace time.Duration, log *slog.Logger,
) (check.Result, <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	began := time.Now()
	var r check.Result // written by attempt before it closes returned
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		attempt(ctx, c, &r, log)
	}()
	if !awaited(ctx, returned, grace) {
		return c.Complete(stuck(began, c.Timeout), began, time.Since(began)), returned
	}
	return c.Complete(r, began, time.Since(began)), nil
}

// awaited says whether the run has returned, be it grace after its context's end.
func awaited(ctx context.Context, returned <-chan struct{}, grace time.Duration) bool {
	select {
	case <-returned:
		return true
	case <-ctx.Done():
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-returned:
		return true
	case <-late.C:
		return false
	}
}

// attempt calls Run. A panic, or an end of its goroutine (hence the pointer: nothing is returned then), becomes a
// result; the stack goes to the log.
func attempt(ctx context.Context, c check.Check, r *check.Result, log *slog.Logger) {
	ended := false
	defer func() {
		if ended {
			return
		}
		text := "it ended its goroutine"
		if p := recover(); p != nil {
			text = quoted(fmt.Sprint(p))
		}
		log.Error("a check panicked", "check", c.Name, "panic", text, "stack", string(debug.Stack()))
		*r = check.Result{
			Status: check.Unknown, Cause: check.Internal,
			Detail: "the check panicked: " + text,
			Remedy: "This is a fault of Sallyport: report it with the stack in the journal.",
		}
	}()
	*r = c.Run(ctx)
	ended = true
}

func quoted(text string) string {
	if len(text) > maxPanicText {
		text = text[:maxPanicText]
	}
	return strconv.QuoteToASCII(text)
}

// stuck is the result of a run that does not return although its deadline has passed.
func stuck(began time.Time, timeout time.Duration) check.Result {
	return check.Result{
		Status: check.Unknown, Cause: check.Internal,
		Detail: fmt.Sprintf("the run that began at %s has not returned, though its deadline was %s",
			began.UTC().Format(time.RFC3339), timeout),
		Remedy: "This is a fault of Sallyport: report it; until then a restart frees the check.",
	}
}
