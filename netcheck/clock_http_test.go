package netcheck

import (
	"testing"
	"time"

	"sallyport/check"
)

// TestClockSkewOfWebServer has nginx believe that it is another time, and compares what is made of its certificates.
func TestClockSkewOfWebServer(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	tomorrow := []*paper{r.leaf(t, lasting(20*oneDay, 90*oneDay)), r.intermediate}
	past := []*paper{r.leaf(t, lasting(-30*oneDay, -3*oneDay)), r.intermediate}
	strange := []*paper{sign(t, newKey(t), r.stranger, lasting(20*oneDay, 90*oneDay))}
	well := []*paper{r.leaf(t), r.intermediate}
	tests := []struct {
		name   string
		later  time.Duration
		chain  []*paper
		http   bool
		status check.Status
		cause  check.Cause
		words  string
	}{
		{"both know", 0, tomorrow, false, check.Fail, check.CertNotYetValid, "not valid before"},
		{"ours is behind", 30 * oneDay, tomorrow, false, check.Fail, check.ClockSkew,
			"the clock of the server is 30 days ahead"},
		{"ours is ahead", -10 * oneDay, past, false, check.Fail, check.ClockSkew, "behind that of this host"},
		{"theirs is wrong too", 10 * oneDay, tomorrow, false, check.Fail, check.CertNotYetValid, "not valid before"},
		{"more than dates", 30 * oneDay, strange, false, check.Fail, check.CertNotYetValid, "not valid before"},
		{"ten minutes", 10 * time.Minute, well, true, check.Warn, check.ClockSkew,
			"the clock of the server is 10 minutes ahead"},
		{"ten minutes behind", -10 * time.Minute, well, true, check.Warn, check.ClockSkew, "behind that of this host"},
		{"four minutes", 4 * time.Minute, well, true, check.OK, "", "HTTP 200 OK"},
		{"nobody asks", 10 * time.Minute, well, false, check.OK, "", "certificate valid until"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ports := startNginxAt(t, test.later, map[string][]*paper{"it": test.chain},
				map[string]string{"it": "return 200;"})
			target := localTarget(ports["it"], r.roots)
			if test.http {
				target.HTTP = &HTTPRequest{Method: "HEAD", Path: "/", Statuses: []StatusRange{{200, 399}}}
			}
			expectResult(t, target, test.status, test.cause, test.words, "")
		})
	}
}
