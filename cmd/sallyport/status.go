package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sallyport/control"
	"sallyport/report/document"
)

const (
	statusTimeout = 5 * time.Second
	watchInterval = time.Second
)

func newStatus(opts *options) *cobra.Command {
	var (
		out    reporting
		watch  bool
		egress bool
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what the running daemon believes now",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := opts.loadPolicy()
			if err != nil {
				return err
			}
			socket := filepath.Join(conf.Paths.Runtime, control.ProbeSocket)
			if watch {
				return watchStatus(cmd, &out, socket)
			}
			doc, err := askStatus(cmd.Context(), socket)
			if err != nil {
				return err
			}
			if egress {
				return writeEgress(cmd.OutOrStdout(), doc)
			}
			return out.reportDocument(cmd, doc)
		},
	}
	out.bind(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "again every second, until interrupted")
	cmd.Flags().BoolVar(&egress, "egress", false,
		"write where this host wanted to go, beyond its policy, as entries of firewall.egress.also")
	cmd.MarkFlagsMutuallyExclusive("watch", "egress")
	return cmd
}

func askStatus(ctx context.Context, socket string) (document.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var answer json.RawMessage
	if err := control.Call(ctx, socket, control.VerbStatus, nil, &answer); err != nil {
		return document.Document{}, fmt.Errorf("ask the daemon: %w (does `sallyport run` run with this configuration?)",
			err)
	}
	return document.Read(bytes.NewReader(answer))
}

// watchStatus reports until the context ends, which is how it is meant to end. On a terminal each report overwrites the
// one before.
func watchStatus(cmd *cobra.Command, out *reporting, socket string) error {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		doc, err := askStatus(cmd.Context(), socket)
		switch {
		case cmd.Context().Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if isTerminal(cmd.OutOrStdout()) {
			if _, err := fmt.Fprint(cmd.OutOrStdout(), "\x1b[H\x1b[2J"); err != nil {
				return err
			}
		}
		if err := out.write(cmd.OutOrStdout(), doc); err != nil {
			return err
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-ticker.C:
		}
	}
}
