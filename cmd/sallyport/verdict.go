package main

import (
	"time"

	"sallyport/check"
	"sallyport/netcheck/hostfacts"
	"sallyport/report/document"
	root "sallyport/report/verdict"
)

// verdict is the cause of the most urgent root of what is believed now.
func (p *probeProcess) verdict() check.Cause {
	return document.Of(version, "", time.Now(), items(p.monitor.States())).Judged(networkFacts).Verdict.Cause
}

// causeOf is the cause of a verdict for who asks for it; nil for no verdict.
func causeOf(v *root.Verdict) func() check.Cause {
	if v == nil {
		return nil
	}
	return func() check.Cause { return v.Cause }
}

// networkFacts is what the host knows of its own network; nothing where it cannot be read, and the verdict does without.
func networkFacts() root.Facts {
	found, err := hostfacts.Read()
	if err != nil {
		return root.Facts{}
	}
	facts := root.Facts{Known: true, Networks: found.Networks, Default: found.Default}
	for _, i := range found.Interfaces {
		facts.Interfaces = append(facts.Interfaces, root.Interface(i))
	}
	for _, g := range found.Gateways {
		gateway := root.Gateway{Address: g.Address, Interface: g.Interface}
		switch {
		case g.Answers:
			gateway.State = root.NeighbourAnswers
		case g.Asked:
			gateway.State = root.NeighbourSilent
		}
		facts.Gateways = append(facts.Gateways, gateway)
	}
	return facts
}
