package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"sallyport/config"
)

const (
	defaultConfig  = "/etc/sallyport/sallyport.yaml"
	defaultState   = "/var/lib/sallyport"
	defaultRuntime = "/run/sallyport"
)

// options are the flags that every command has.
type options struct {
	file         string
	noManagement bool
	state        string // where the record is looked for when the configuration cannot be read
	here         bool   // the network namespace may be another than PID 1's

	handed io.Reader // where the first load takes the text from, instead of the file; nil: from the file
	text   []byte    // of the configuration that was loaded last
}

func (o *options) bind(root *cobra.Command) {
	file := os.Getenv("SALLYPORT_CONFIG")
	if file == "" {
		file = defaultConfig
	}
	state := os.Getenv("SALLYPORT_STATE")
	if state == "" {
		state = defaultState
	}
	flags := root.PersistentFlags()
	flags.StringVar(&o.state, "state", state, "`DIR` with the record of the ruleset in force, for when the configuration\n"+
		"cannot be read; else paths.state counts (or set SALLYPORT_STATE)")
	flags.StringVarP(&o.file, "config", "c", file, "the configuration `FILE` (or set SALLYPORT_CONFIG)")
	flags.BoolVar(&o.noManagement, "no-management", false, "accept a policy that lets nobody in, not even management")
}

// load reads and validates the configuration.
func (o *options) load() (*config.Config, error) { return o.read(config.Options{}) }

// loadPolicy is load for what needs only the firewall's part: the files that other keys name are left unread, because the
// guard may not read them, and a credential is there for the prober's unit alone.
func (o *options) loadPolicy() (*config.Config, error) {
	return o.read(config.Options{SkipFiles: true})
}

// read validates the configuration that was handed over, the first time, and the file otherwise.
func (o *options) read(how config.Options) (*config.Config, error) {
	if o.file == "" { // a variable of a script that is not set
		return nil, errors.New("--config is empty: name the configuration, or leave the flag out for " + defaultConfig)
	}
	how.NoManagement = o.noManagement
	text, err := o.source()
	if err != nil {
		return nil, err
	}
	conf, err := config.Parse(o.file, text, how)
	if err != nil {
		return nil, err
	}
	o.text = text
	return conf, nil
}

func (o *options) source() ([]byte, error) {
	if o.handed == nil {
		return config.Read(o.file)
	}
	text, err := io.ReadAll(io.LimitReader(o.handed, config.MaxSize+1))
	o.handed = nil
	if err != nil {
		return nil, fmt.Errorf("read the configuration from the standard input: %w", err)
	}
	return text, nil
}

// expecting is the configuration for a process that was told by another which bytes to load, so that both mean the same
// configuration. An empty digest means any.
func (o *options) expecting(digest string, load func() (*config.Config, error)) (*config.Config, error) {
	conf, err := load()
	if err != nil {
		return nil, err
	}
	if digest != "" && digest != conf.Digest {
		return nil, fmt.Errorf("%s changed while it was being loaded: try again", o.file)
	}
	return conf, nil
}

func newLogger(w io.Writer, role string) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, nil)).With("role", role)
}
