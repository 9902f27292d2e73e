package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"sallyport/integration/lab"
)

// The exit codes are those of sallyport.
const (
	codeHeld    = 0 // every expectation held
	codeBroken  = 2 // some did not
	codeUnknown = 3 // the lab could not be built or ended, or was interrupted
)

const (
	limit  = 2 * time.Minute  // for the whole, --keep left out
	tidied = 20 * time.Second // for cleaning up after a signal
)

// folderVariable names the lab's folder to the second incarnation of the process, so that whichever is left removes it.
const folderVariable = "SALLYPORT_LAB_DIR"

type options struct {
	servers   string
	sallyport string
	keep      bool
	noColor   bool
	verbose   bool
}

func main() {
	opts, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(codeHeld)
	}
	if err != nil {
		os.Exit(codeUnknown)
	}
	os.Exit(inFolder(func(folder string) int {
		return lab.Isolated(func() int { return show(opts, folder) })
	}))
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("sallyport-lab", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.servers, "servers", cmp.Or(os.Getenv("SERVERS"), string(lab.Embedded)),
		"`KIND` of servers: embedded, or real (unbound, nginx, slapd); also SERVERS")
	flags.StringVar(&o.sallyport, "sallyport", "", "`PATH` of the sallyport binary (default: beside this one)")
	flags.BoolVar(&o.keep, "keep", false, "leave the lab running at the end, with commands to look around, until Ctrl-C")
	flags.BoolVar(&o.noColor, "no-color", os.Getenv("NO_COLOR") != "", "no colour, even on a terminal; also NO_COLOR")
	flags.BoolVar(&o.verbose, "verbose", false, "show the daemon's own log at the end")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	err := o.complete(flags.Args())
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "sallyport-lab: %v\n", err)
	}
	return o, err
}

func (o *options) complete(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q: see --help", rest[0])
	}
	if k := lab.Kind(o.servers); k != lab.Embedded && k != lab.Real {
		return fmt.Errorf("--servers takes embedded or real, not %q", o.servers)
	}
	if o.sallyport == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("finding the sallyport binary: %w; name it with --sallyport", err)
		}
		o.sallyport = filepath.Join(filepath.Dir(self), "sallyport")
	}
	path, err := filepath.Abs(o.sallyport)
	if err != nil {
		return err
	}
	o.sallyport = path
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("%s is no program: build it with `make build`, or name another with --sallyport", path)
	}
	return nil
}

// inFolder runs f with a folder of its own, and removes it.
func inFolder(f func(folder string) int) int {
	folder := os.Getenv(folderVariable)
	if folder == "" {
		made, err := os.MkdirTemp("", "sallyport-lab-")
		if err == nil {
			err = os.Setenv(folderVariable, made)
		}
		if err != nil {
			_, _ = fmt.Fprintf(os.Stderr, "sallyport-lab: %v\n", err)
			return codeUnknown
		}
		folder = made
	}
	code := f(folder)
	if err := os.RemoveAll(folder); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "sallyport-lab: cleaning up: %v\n", err)
		return codeUnknown
	}
	return code
}

// show builds the lab, tells the story and cleans up, in the private namespaces.
func show(opts options, folder string) int {
	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A cleanup that hangs must not keep the lab alive: the namespaces go with the process in any case.
	defer context.AfterFunc(interrupted, func() { time.AfterFunc(tidied, func() { os.Exit(codeUnknown) }) })()
	p := newPage(os.Stdout, opts.noColor)
	err := play(interrupted, opts, folder, p)
	switch {
	case interrupted.Err() != nil && !p.complete:
		p.note("interrupted: everything is cleaned up")
		return codeUnknown
	case err != nil:
		p.note("sallyport-lab: " + err.Error())
		return codeUnknown
	case p.broken > 0:
		return codeBroken
	}
	return codeHeld
}

func play(interrupted context.Context, opts options, folder string, p *page) (err error) {
	ctx, cancel := context.WithTimeout(interrupted, limit)
	defer cancel()
	s, err := setScene(ctx, opts, folder, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.clear()) }()
	err = s.tell(ctx)
	if opts.verbose {
		s.showLog()
	}
	if err != nil {
		return err
	}
	p.summary()
	if opts.keep {
		s.lookAround()
		<-interrupted.Done()
	}
	return nil
}
