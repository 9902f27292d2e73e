package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"sallyport/check"
)

// Item is a result, and in status what is known of its check besides: the result is then the latest one that says what
// is believed.
type Item struct {
	check.Result
	State *State // nil outside of status
}

// State is what is known of a check after thresholds. In JSON it stands beside the keys of the result, as "state".
type State struct {
	Since       time.Time `json:"since,omitzero"`   // when the status began to be believed; left out if nothing is yet
	Consecutive int       `json:"consecutive"`      // latest results in a row that were as good, or as bad
	Latest      *Latest   `json:"latest,omitempty"` // the latest result, where it says something else
}

// Latest is what a result says that is not believed yet.
type Latest struct {
	Status check.Status `json:"status"`
	Cause  check.Cause  `json:"cause"`
	Detail string       `json:"detail"`
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
