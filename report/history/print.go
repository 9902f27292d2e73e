package history

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"text/tabwriter"
	"time"

	"sallyport/check"
	"sallyport/report"
)

// Record is a transition as it is told: in JSON, one shape for all.
type Record struct {
	Time   time.Time    `json:"time"`
	Check  string       `json:"check"`
	From   check.Status `json:"from"`
	To     check.Status `json:"to"`
	Since  time.Time    `json:"since"` // when From began
	Result check.Result `json:"result"`
}

// Excerpt is a part of the history, as it is told.
type Excerpt struct {
	Schema      int      `json:"schema"`
	Transitions []Record `json:"transitions"`
	Knocks      []Knock  `json:"knocks"`
}

// NewExcerpt puts together what was read.
func NewExcerpt(transitions []check.Transition, knocks []Knock) Excerpt {
	e := Excerpt{Schema: 1, Transitions: make([]Record, 0, len(transitions)), Knocks: make([]Knock, 0, len(knocks))}
	for _, t := range transitions {
		e.Transitions = append(e.Transitions, Record{
			Time: t.Result.Time.UTC(), Check: t.Check, From: t.From, To: t.To, Since: t.Since.UTC(), Result: t.Result,
		})
	}
	e.Knocks = append(e.Knocks, knocks...)
	return e
}

// JSON writes the excerpt as one document.
func (e Excerpt) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(e)
}

// maxText bounds a text of one line, in bytes.
const maxText = 300

// Text writes the excerpt for a person: a line for each transition, then one for each who knocked. Times are UTC.
func (e Excerpt) Text(w io.Writer) error {
	if len(e.Transitions)+len(e.Knocks) == 0 {
		_, err := fmt.Fprintln(w, "nothing happened in that time")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range e.Transitions {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s -> %s\t%s\t%s\n", r.Time.Format(time.RFC3339), printable(r.Check),
			r.From, r.To, printable(string(r.Result.Cause)), printable(r.Result.Detail)) // Flush has the error
	}
	if len(e.Knocks) > 0 {
		_, _ = fmt.Fprintf(table, "\nwho knocked\tport\tpackets\tfirst\tlast\n")
	}
	for _, k := range e.Knocks {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", k.From, k.port(), k.Packets,
			k.First.Format(time.RFC3339), k.Last.Format(time.RFC3339))
	}
	return table.Flush()
}

func printable(s string) string { return report.Printable(s, maxText) }

// port is the port as nft and the configuration write it.
func (k Knock) port() string {
	switch k.Protocol {
	case 6:
		return fmt.Sprintf("%d/tcp", k.Port)
	case 17:
		return fmt.Sprintf("%d/udp", k.Port)
	default:
		return fmt.Sprintf("%d/%d", k.Port, k.Protocol)
	}
}

type knockJSON struct {
	From    netip.Addr `json:"from"`
	Port    string     `json:"port"`
	Packets uint64     `json:"packets"`
	First   time.Time  `json:"first"`
	Last    time.Time  `json:"last"`
}

// MarshalJSON writes the port with its protocol, as in 22/tcp.
func (k Knock) MarshalJSON() ([]byte, error) {
	return json.Marshal(knockJSON{From: k.From, Port: k.port(), Packets: k.Packets, First: k.First, Last: k.Last})
}
