package main

import (
	"context"
	"errors"
	"fmt"

	"sallyport/check"
	"sallyport/firewall/proof"
)

// rehearse sends packets through the candidate in a throw-away network namespace, and refuses one that does not do what
// its policy says. What is told is what was tried. Where no packets can be sent that is told instead: then only the golden
// dump speaks for the candidate.
func (c candidate) rehearse(ctx context.Context) (told string, err error) {
	done, err := proof.Rehearse(ctx, c.policy, c.ruleset)
	switch {
	case errors.Is(err, proof.ErrNoPackets):
		return fmt.Sprintf("not rehearsed with packets: %v", err), nil
	case err != nil:
		return "", err
	default:
		return done.String(), nil
	}
}

// rehearsalJSON is what `plan --rehearse` says of it: what was tried, why nothing could be, or what was wrong.
type rehearsalJSON struct {
	In      int         `json:"in"`
	Out     int         `json:"out"`
	Replies int         `json:"replies"`
	Omitted int         `json:"omitted,omitempty"`
	Untried []string    `json:"untried,omitempty"`
	TookMS  float64     `json:"took_ms"`
	Cause   check.Cause `json:"cause,omitempty"` // of the first that is wrong
	Wrong   []string    `json:"wrong,omitempty"`
	Error   string      `json:"error,omitempty"` // why packets could not be sent
}

// rehearsal is what came of `plan --rehearse`.
type rehearsal struct {
	done proof.Rehearsal
	err  error
}

// refused is what is wrong with the candidate, nil where nothing is known to be.
func (r rehearsal) refused() *proof.RefusedError {
	refused, _ := errors.AsType[*proof.RefusedError](r.err)
	return refused
}

// text is what a person is told, in lines.
func (r rehearsal) text() []string {
	switch {
	case r.refused() != nil:
		return nonEmptyLines(r.err.Error())
	case r.err != nil:
		return nonEmptyLines(fmt.Sprintf("not rehearsed with packets: %v", r.err))
	default:
		return []string{"rehearsed with " + r.done.String()}
	}
}

func (r rehearsal) json() *rehearsalJSON {
	out := &rehearsalJSON{
		In: r.done.In, Out: r.done.Out, Replies: r.done.Replies, Omitted: r.done.Omitted, Untried: r.done.Untried,
		TookMS: float64(r.done.Took.Microseconds()) / 1000,
	}
	if refused := r.refused(); refused != nil {
		out.Cause = refused.Cause()
		for _, w := range refused.Wrong {
			out.Wrong = append(out.Wrong, w.Text)
		}
	} else if r.err != nil {
		out.Error = r.err.Error()
	}
	return out
}
