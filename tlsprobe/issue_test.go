package tlsprobe

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"sallyport/tlsprobe/tlsprobetest"
)

const day24 = tlsprobetest.Day

type (
	issued = tlsprobetest.Paper
	change = tlsprobetest.Change
)

// now is the instant at which tests judge.
func now() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

func office() tlsprobetest.Office { return tlsprobetest.Office{Now: now(), Name: "host.test"} }

func named(names ...string) change { return tlsprobetest.Named(names...) }

func rsaKey(t testing.TB, bits int) crypto.Signer { t.Helper(); return tlsprobetest.NewRSAKey(t, bits) }

// issue signs a certificate for host.test by parent, or by itself where parent is nil.
func issue(t testing.TB, parent *issued, changes ...change) *issued {
	t.Helper()
	return issueFor(t, tlsprobetest.NewKey(t), parent, changes...)
}

func issueFor(t testing.TB, key crypto.Signer, parent *issued, changes ...change) *issued {
	t.Helper()
	return office().Issue(t, key, parent, changes...)
}

func authority(name string) change { return office().Authority(name) }

func valid(from, to time.Duration) change { return office().Valid(from, to) }

func chain(certs ...*issued) tls.Certificate { return tlsprobetest.Chain(certs...) }

func certsOf(all ...*issued) []*x509.Certificate { return tlsprobetest.Certs(all...) }
