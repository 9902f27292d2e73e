package lab

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs f on an operating system thread of its own, which ends with f: whatever namespaces f enters or makes go
// with it. The process's main thread is never used, because /proc/self and new threads show its namespaces, and it
// cannot end. It returns at once.
func onThread(f func()) {
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread with the goroutine
		if unix.Gettid() != os.Getpid() {
			f()
			return
		}
		defer runtime.UnlockOSThread()
		ended := make(chan struct{})
		onThread(func() { // the main thread is held by this goroutine, so the next one gets another
			defer close(ended)
			f()
		})
		<-ended
	}()
}
