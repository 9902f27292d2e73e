package monitor

import "sallyport/check"

// Advance is the state after a result, and the transition if there is one.
//
//   - Bad (fail, unknown) is believed after FailAfter bad results in a row, whatever their causes: the last one's
//     status and cause are taken.
//   - Bad is no longer believed after RecoverAfter results in a row that are not bad.
//   - Between ok, warn and waived there is no threshold: they are told by certificates and dates, which do not flap.
//   - Another cause, or fail instead of unknown, while bad: a transition after FailAfter results in a row that agree on
//     it, with From == To where only the cause is new, so that an operator hears that the fault has moved, but not at
//     every turn of one that alternates.
//   - Another cause while warn or waived, or an ok result that has a cause (information): a transition at once. Losing
//     the cause of an ok result is none.
//   - The first state needs FailAfter if it is bad, and nothing otherwise. Its transition's Since is zero.
//   - A skipped result is recorded and changes nothing else.
//
// Since moves with the status, not with the cause. A threshold below 1 is taken for 1. The result's Time must be set.
func Advance(s State, c check.Check, r check.Result) (State, *check.Transition) {
	s.Check, s.Kind, s.Target = c.Name, c.Kind, c.Target
	s.Last = r
	if r.Status == check.Skipped {
		return s, nil
	}
	s = s.count(r)
	var t *check.Transition
	if s.tips(c, r) {
		s, t = s.settle(r)
	}
	if s.Agrees() {
		s.Shown = r
	}
	return s, t
}

func (s State) count(r check.Result) State {
	if r.Bad() {
		s.Bad, s.Good = s.Bad+1, 0
	} else {
		s.Bad, s.Good = 0, s.Good+1
	}
	if v := (verdict{r.Status, r.Cause}); v == s.seen && s.Alike > 0 {
		s.Alike++
	} else {
		s.Alike, s.seen = 1, v
	}
	return s
}

// tips says whether the result, already counted, changes what is believed.
func (s State) tips(c check.Check, r check.Result) bool {
	switch {
	case s.Settled() && s.Status == r.Status && s.Cause == r.Cause:
		return false
	case r.Bad() && s.failing():
		return s.Alike >= max(1, c.FailAfter)
	case r.Bad():
		return s.Bad >= max(1, c.FailAfter)
	case s.failing():
		return s.Good >= max(1, c.RecoverAfter)
	default:
		return true
	}
}

func (s State) settle(r check.Result) (State, *check.Transition) {
	t := &check.Transition{Check: s.Check, From: s.Status, To: r.Status, Since: s.Since, Result: r}
	silent := s.Settled() && s.Status == r.Status && r.Cause == ""
	if !s.Settled() || s.Status != r.Status {
		s.Since = r.Time
	}
	s.Status, s.Cause = r.Status, r.Cause
	if silent {
		return s, nil
	}
	return s, t
}
