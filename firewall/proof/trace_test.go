package proof

import (
	"context"
	"net/netip"
	"testing"

	"sallyport/check"
	"sallyport/firewall/kernel"
	"sallyport/firewall/proof/others"
)

// TestTraceIsNobodysRule looks at others' tables, and copies the host, while a connection is traced: the table that is there
// for that is no rule of others that judges a packet.
func TestTraceIsNobodysRule(t *testing.T) {
	newHost(t)
	p := twinPolicy()
	inForce(t, p)
	flight := kernel.Flight{To: netip.MustParseAddrPort("10.20.0.9:443")}
	fate, err := kernel.Trace(t.Context(), flight, func(context.Context) error {
		if got := others.Look(t.Context(), p); got.Status != check.OK {
			t.Errorf("%s %s: %s", got.Status, got.Cause, got.Detail)
		}
		if got := twin(t, p); got.Status != check.OK {
			t.Errorf("%s %s: %s", got.Status, got.Cause, got.Detail)
		}
		return nil
	})
	if err != nil || fate.Packets != 0 {
		t.Errorf("%+v, %v", fate, err)
	}
}
