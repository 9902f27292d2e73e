package main

import (
	"fmt"
	"io"
	"strconv"

	"sallyport/check"
	"sallyport/firewall/proof"
	termreport "sallyport/report/term"
)

// writeListeners writes the table of who can reach what listens, for a person, above the results.
func writeListeners(w io.Writer, results []check.Result) error {
	for _, r := range results {
		evidence, ok := r.Evidence.(proof.ListenersEvidence)
		if !ok || len(evidence.Listeners) == 0 {
			continue
		}
		rows := make([][]string, 0, len(evidence.Listeners))
		for _, l := range evidence.Listeners {
			rows = append(rows, []string{l.Protocol, l.Address, strconv.FormatUint(uint64(l.UID), 10), process(l), l.Who})
		}
		if evidence.More > 0 {
			rows = append(rows, []string{"", "", "", "", fmt.Sprintf("and %d more", evidence.More)})
		}
		headings := []string{"PROTO", "LISTENS ON", "UID", "PROCESS", "WHO CAN REACH IT"}
		title := "What listens here, and who can reach it" + proviso(r) + ":"
		if err := termreport.Table(w, title, headings, rows, termOptions(w)); err != nil {
			return err
		}
		for _, note := range evidence.Notes() {
			if _, err := fmt.Fprintln(w, "Note:", note); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}

// proviso is what the last column is true under, where the ruleset was not seen to be in force.
func proviso(r check.Result) string {
	switch r.Cause {
	case check.FirewallExposed:
		return " (once the ruleset is in force, which it is not)"
	case check.FirewallDrift:
		return " (once the ruleset is put back)"
	case check.FirewallNotPermitted:
		return " (if the ruleset is in force, which could not be read)"
	default:
		return ""
	}
}

// process is who holds the socket, as in sshd (812) ssh.service.
func process(l proof.Seen) string {
	if l.PID == 0 {
		return "?"
	}
	text := fmt.Sprintf("%s (%d)", l.Process, l.PID)
	if l.Unit != "" {
		text += " " + l.Unit
	}
	return text
}
