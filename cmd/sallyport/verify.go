package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"sallyport/check"
	"sallyport/config"
	"sallyport/firewall"
	"sallyport/firewall/kernel/sockets"
)

// verifyTimeout bounds the whole of a verification.
const verifyTimeout = time.Minute

func newVerify(opts *options) *cobra.Command {
	var out reporting
	var v verification
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Say whether the host is really shut: the live ruleset, and who can reach what listens",
		Example: "  sallyport verify\n" +
			"  sallyport verify --live      # as root: by packets of a stranger, to this host itself\n" +
			"  sallyport verify --twin      # as root: by packets, through a copy of every table\n" +
			"  sallyport verify -o json",
		Long: "Say whether the host is really shut. The results, by their names:\n\n" +
			"  firewall            the live ruleset is exactly what the configuration compiles to\n" +
			"  firewall.interference, firewall.sysctls, firewall.published\n" +
			"                      what tables and programs of others, settings of the kernel and published container\n" +
			"                      ports can do to the policy\n" +
			"  firewall.listeners  what listens here, and who can reach it: a table in text, evidence in JSON\n" +
			"  firewall.live       with --live: packets of a made-up stranger to everything that listens here. It makes\n" +
			"                      a TUN device on this host for a moment, with addresses of the ranges for benchmarks\n" +
			"                      and documentation; it goes with the process, however that ends\n" +
			"  firewall.twin       with --twin: every table of this host, others' too, copied into a throw-away network\n" +
			"                      namespace with the same interfaces, and packets through it from whom the policy names\n" +
			"                      and whom it does not; a packet that meets another fate than the policy says is told\n" +
			"                      with the table that is why\n\n" +
			"But for that device it only reads. Without CAP_NET_ADMIN it says what it could not read, and shows the\n" +
			"listeners all the same; without root, the processes of other users stay unknown.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := opts.loadPolicy()
			if err != nil {
				return err
			}
			v.conf = conf
			if v.candidate, err = compile(conf, opts.noManagement); errors.Is(err, errFirewallOff) {
				v.off = true
			} else if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), verifyTimeout)
			defer cancel()
			results := v.run(ctx)
			if out.format == "text" {
				if err := writeListeners(cmd.OutOrStdout(), results); err != nil {
					return err
				}
			}
			return out.report(cmd, results)
		},
	}
	out.bind(cmd)
	cmd.Flags().BoolVar(&v.live, "live", false, "send packets of a made-up stranger to this host, by a TUN device (root)")
	cmd.Flags().BoolVar(&v.twin, "twin", false, "try a copy of all tables with packets, in a namespace of its own (root)")
	return cmd
}

// verification is one look at the host.
type verification struct {
	conf      *config.Config
	candidate candidate // zero where the firewall is off
	off       bool
	live      bool
	twin      bool
}

// run does every check in turn: what one has seen, the next ones judge by.
func (v verification) run(ctx context.Context) []check.Result {
	var results []check.Result
	do := func(c check.Check, look func(context.Context) check.Result) check.Result {
		began := time.Now()
		result := c.Complete(look(ctx), began, time.Since(began))
		results = append(results, waive(v.conf.Waivers, result, time.Now()))
		return result
	}
	structure := do(structureCheck(), v.structure)
	v.others(do)
	var found sockets.Listening
	var err error
	do(listenersCheck(), func(ctx context.Context) check.Result {
		found, err = sockets.Listeners(ctx)
		return v.listeners(found, err, structure)
	})
	if v.live {
		do(liveCheck(), func(ctx context.Context) check.Result { return v.tryLive(ctx, found, err) })
	}
	if v.twin {
		do(twinCheck(), func(ctx context.Context) check.Result { return v.tryTwin(ctx, found, err) })
	}
	return results
}

// policy is what is wanted; nil where the firewall is off.
func (v verification) policy() *firewall.Policy {
	if v.off {
		return nil
	}
	return &v.candidate.policy
}
