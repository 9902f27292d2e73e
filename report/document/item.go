package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"sallyport/check"
)

// Item is a result, and in status what is believed of its check.
type Item struct {
	check.Result
	State *State // nil outside of status
}

// State is what is believed of a check after thresholds. In JSON it stands beside the keys of the latest result, as
// "state".
type State struct {
	Status      check.Status `json:"status"`
	Cause       check.Cause  `json:"cause"`
	Since       time.Time    `json:"since,omitzero"` // when Status began to be believed; left out if nothing is yet
	Consecutive int          `json:"consecutive"`    // results in a row that were as good, or as bad, as the latest
}

// Status is what counts: what is believed where that is known, else what the result says. A skipped check counts as
// skipped whatever was believed of it: the check that it depends on is the one to look at.
func (i Item) Status() check.Status {
	if i.State == nil || i.Result.Status == check.Skipped {
		return i.Result.Status
	}
	return i.State.Status
}

// Cause is the cause that goes with Status.
func (i Item) Cause() check.Cause {
	if i.State == nil || i.Result.Status == check.Skipped {
		return i.Result.Cause
	}
	return i.State.Cause
}

// MarshalJSON writes the result's keys, and "state" where there is one.
func (i Item) MarshalJSON() ([]byte, error) {
	result, err := json.Marshal(i.Result)
	if err != nil {
		return nil, fmt.Errorf("result of %q: %w", i.Check, err)
	}
	if i.State == nil {
		return result, nil
	}
	believed := *i.State
	if !believed.Since.IsZero() {
		believed.Since = believed.Since.UTC()
	}
	state, err := json.Marshal(believed)
	if err != nil {
		return nil, fmt.Errorf("state of %q: %w", i.Check, err)
	}
	open := bytes.TrimSuffix(result, []byte("}"))
	return fmt.Appendf(open[:len(open):len(open)], `,"state":%s}`, state), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (i *Item) UnmarshalJSON(data []byte) error {
	var with struct {
		State *State `json:"state"`
	}
	if err := json.Unmarshal(data, &with); err != nil {
		return err
	}
	i.State = with.State
	return json.Unmarshal(data, &i.Result)
}
