package sarif

import "sallyport/check"

// The objects of SARIF 2.1.0 as far as they are needed; section numbers are the specification's.

// log is the whole file: section 3.13.
type log struct {
	Schema  string `json:"$schema"`
	Version string `json:"version"`
	Runs    []run  `json:"runs"`
}

// run is section 3.14.
type run struct {
	Tool        tool         `json:"tool"`
	Invocations []invocation `json:"invocations"`
	Results     []result     `json:"results"`
}

// tool is section 3.18.
type tool struct {
	Driver driver `json:"driver"`
}

// driver is a toolComponent: section 3.19.
type driver struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Rules   []rule `json:"rules"`
}

// rule is a reportingDescriptor: section 3.49.
type rule struct {
	ID               string   `json:"id"`
	ShortDescription message  `json:"shortDescription"`
	Help             *message `json:"help,omitempty"`
}

// message is section 3.11, and a multiformatMessageString (section 3.12) in a rule.
type message struct {
	Text string `json:"text"`
}

// invocation is section 3.20.
type invocation struct {
	EndTimeUTC          string `json:"endTimeUtc"`
	Machine             string `json:"machine,omitempty"`
	ExecutionSuccessful bool   `json:"executionSuccessful"`
}

// result is section 3.27.
type result struct {
	RuleID              string            `json:"ruleId"`
	RuleIndex           int               `json:"ruleIndex"`
	Kind                string            `json:"kind"`
	Level               string            `json:"level"`
	Message             message           `json:"message"`
	Locations           []location        `json:"locations"`
	PartialFingerprints map[string]string `json:"partialFingerprints"`
	Suppressions        []suppression     `json:"suppressions,omitempty"`
	Properties          properties        `json:"properties"`
}

// location is section 3.28. A check has no place in a file, so it has a logical one only.
type location struct {
	LogicalLocations []logicalLocation `json:"logicalLocations"`
}

// logicalLocation is section 3.33.
type logicalLocation struct {
	Name               string `json:"name"`
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind"`
}

// suppression is section 3.35.
type suppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification,omitempty"`
}

// properties is a property bag: section 3.8.
type properties struct {
	Status     check.Status `json:"status"`
	Target     string       `json:"target"`
	Layer      string       `json:"layer,omitempty"`
	DurationMS float64      `json:"durationMs"`
}
