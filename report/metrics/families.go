package metrics

import "github.com/prometheus/client_golang/prometheus"

// families are the names of all series, what they mean and which labels they have.
type families struct {
	buildInfo *prometheus.Desc

	success, duration, dnsLookup, tlsVersion, certExpiry *prometheus.Desc // blackbox_exporter's
	info, status, state, phase, lastRun, runs            *prometheus.Desc
	transitions                                          *prometheus.Desc

	inForce, repairs, drops, dropBytes, knocking, refused *prometheus.Desc

	sinkDown, sinkDropped *prometheus.Desc

	verdict *prometheus.Desc
}

func newFamilies() families {
	checkDesc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"check", "kind"}, labels...), nil)
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return families{
		buildInfo: desc("sallyport_build_info", "Always 1; which Sallyport this is.", "version", "goversion"),

		success: checkDesc("probe_success",
			"Whether the last run held: 1 for ok and warn, 0 for fail and unknown; absent when skipped or waived."),
		duration: checkDesc("probe_duration_seconds", "How long the last run took."),
		dnsLookup: checkDesc("probe_dns_lookup_time_seconds",
			"How long the last run took to resolve names, at the slowest."),
		tlsVersion: checkDesc("probe_tls_version_info",
			"Always 1; the TLS version that the last run agreed on.", "version"),
		certExpiry: checkDesc("probe_ssl_earliest_cert_expiry",
			"When the first of the certificates that the last run was shown expires, in unix time."),

		info: checkDesc("sallyport_check_info", "Always 1; what the check tests.", "target"),
		status: checkDesc("sallyport_check_status",
			"The status of the last run as an exit code: 0 ok, skipped or waived, 1 warn, 2 fail, 3 unknown; "+
				"one series for each check, with the cause, which is empty when there is nothing to blame.", "cause"),
		state: checkDesc("sallyport_check_state",
			"What the daemon believes of the check, after thresholds: 1 for that status, 0 for the others.", "status"),
		phase: checkDesc("sallyport_check_phase_duration_seconds",
			"How long each phase of the last run took, at the slowest endpoint.", "phase"),
		lastRun: checkDesc("sallyport_check_last_run_timestamp_seconds", "When the last run began, in unix time."),
		runs:    checkDesc("sallyport_check_runs_total", "Runs of the check by their status.", "status"),
		transitions: checkDesc("sallyport_transitions_total",
			"Changes of what the daemon believes of the check, by the new status.", "status"),

		inForce: desc("sallyport_firewall_in_force",
			"Whether the kernel has the ruleset that was compiled: 1 or 0; absent when nobody knows."),
		repairs: desc("sallyport_firewall_repairs_total", "How often the ruleset was put back."),
		drops:   desc("sallyport_firewall_drops_total", "Packets that the ruleset's counter has seen.", "counter"),
		dropBytes: desc("sallyport_firewall_drop_bytes_total",
			"Bytes of the packets that the ruleset's counter has seen.", "counter"),
		knocking: desc("sallyport_firewall_knocking_sources",
			"Addresses that were turned away within the last hour, at most 4096 of each family.", "family"),
		refused: desc("sallyport_firewall_egress_refused",
			"Ways out, by address, port and user, that were refused within the last hour, or would be."),

		verdict: desc("sallyport_verdict",
			"Always 1; the cause and the layer of the most urgent root of all that is not well, which are empty when there "+
				"is nothing to blame.", "cause", "layer"),

		sinkDown:    desc("sallyport_sink_down", "Whether what the sink writes to is away: 1 or 0.", "sink"),
		sinkDropped: desc("sallyport_sink_dropped_total", "Records that were lost because the sink was away.", "sink"),
	}
}

func (f families) all() []*prometheus.Desc {
	return []*prometheus.Desc{
		f.buildInfo, f.success, f.duration, f.dnsLookup, f.tlsVersion, f.certExpiry, f.info, f.status, f.state, f.phase,
		f.lastRun, f.runs, f.transitions, f.inForce, f.repairs, f.drops, f.dropBytes, f.knocking, f.refused,
		f.sinkDown, f.sinkDropped, f.verdict,
	}
}
