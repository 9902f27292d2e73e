package netcheck

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/jvm"
)

// javaView is trust as the service's Java sees it, in one run of a check. The nil one is of a check that is not judged by
// it.
type javaView struct {
	trust *jvm.Trust // nil where it cannot be told
	err   error      // why it cannot

	server string // whom the certificate must be for
	ldaps  bool   // it is a directory's, and TLS begins with the connection
	way    string // on which other way it goes there than the check; empty: on the same, as far as it is known
}

// javaOpinion is what Java thinks of the chain of one address.
type javaOpinion struct {
	*javaView
	jvm.Judgement
	missing *x509.Certificate // the authority that we trust, and that its store lacks; nil where it is something else
}

// javaNow is the view of this moment; nil where the check is not judged by it.
func (t Server) javaNow() *javaView {
	if t.Java == nil {
		return nil
	}
	trust, err := t.Java.Trust(time.Now())
	view := &javaView{trust: trust, err: err, server: t.serverName(), ldaps: t.ldaps}
	if t.https && trust != nil {
		view.way = otherWay(trust.Way, t.Proxy, t.Host)
	}
	return view
}

// errJavaUntrusted is what a handshake comes to that this host would go on with, and the service would not.
var errJavaUntrusted = errors.New("the service's Java does not trust the chain")

// askJava judges the chain that the server sent by the service's Java too. Where the two disagree, that is what the
// attempt comes to; a fault of a layer before the certificates stays what it is. A connection whose chain Java does not
// trust is closed: nothing is sent where the service would send nothing.
func (a *attempt) askJava(err error) error {
	certs := a.facts.Certificates
	if a.java == nil || a.java.trust == nil || len(certs) == 0 || !a.facts.Verdict.Judged {
		return err
	}
	o := &javaOpinion{javaView: a.java, Judgement: a.java.trust.Judge(certs, time.Now())}
	a.asked = o
	ours := a.facts.Verdict.Trusted()
	switch {
	case err == nil && ours && !o.Trusted:
		if path := a.facts.Verdict.Path; len(path) > 0 && o.trust.Count > 0 && !o.trust.Holds(path[len(path)-1]) {
			o.missing = path[len(path)-1]
		}
		_ = a.conn.Close()
		a.conn = nil
		return &opinion{cause: check.CertJavaUntrusted, words: o.untrusted(), err: errJavaUntrusted}
	case !ours && o.Trusted:
		return o.contradict(certs[0], err)
	}
	return err
}

// contradict is the error of a chain that is refused here and trusted by Java.
func (o *javaOpinion) contradict(leaf *x509.Certificate, err error) error {
	bad, ok := errors.AsType[*tlsprobe.CertificateError](err)
	if !ok {
		return err
	}
	head, ok := bad.Verdict.Headline()
	switch {
	case !ok:
		return err
	case onlyOfTrust(bad.Verdict):
		return &opinion{cause: check.CertJavaOnly, words: head.Words + "; but the service would connect: " + o.called() +
			" trusts the chain by its trust store " + o.store(), err: err}
	case slices.Contains([]tlsprobe.Problem{tlsprobe.WeakKey, tlsprobe.WeakSignature}, head.Problem),
		head.Problem == tlsprobe.NameMismatch && o.byCommonName(leaf):
		return &opinion{cause: causeOf(head.Problem), words: head.Words + "; " + o.called() + " still takes it", err: err}
	case head.Problem == tlsprobe.NameMismatch && o.ldaps && !o.trust.Machine.ComparesLDAPSNames():
		return &opinion{cause: causeOf(head.Problem), err: err, words: head.Words + "; " + o.called() + " still connects: " +
			"it compares no names over ldaps (-D" + jvm.PropertyNoLDAPSNames + ")"}
	}
	return err
}

// byCommonName says that Java takes the certificate for the server's: it still compares the common name of one that has no
// DNS name at all (sun.security.util.HostnameChecker.matchDNS), which no other program does (RFC 9525 section 2).
func (o *javaOpinion) byCommonName(leaf *x509.Certificate) bool {
	return len(leaf.DNSNames) == 0 && strings.EqualFold(leaf.Subject.CommonName, o.server)
}

// onlyOfTrust says that a chain is refused for its authority alone.
func onlyOfTrust(v tlsprobe.Verdict) bool {
	return !slices.ContainsFunc(v.Findings, func(f tlsprobe.Finding) bool {
		ofTrust := slices.Contains([]tlsprobe.Problem{tlsprobe.SelfSigned, tlsprobe.UnknownAuthority,
			tlsprobe.IncompleteChain, tlsprobe.ChainExpired, tlsprobe.Intercepted}, f.Problem)
		return f.Severity == tlsprobe.Fatal && !ofTrust
	})
}

// untrusted says what Java lacks, which Java that is, and how it was found.
func (o *javaOpinion) untrusted() string {
	var why string
	switch {
	case o.missing != nil && o.trust.Replaced.Held(sha256Of(o.missing)):
		r := o.trust.Replaced
		why = fmt.Sprintf("the trust store of the service's Java was replaced (noted on %s), and the authority %s is no "+
			"longer in it: %d of its authorities vanished, %d came; ", r.Noted.UTC().Format("2006-01-02 15:04 UTC"),
			subjectOf(o.missing), r.Lost, r.Gained)
	case o.missing != nil:
		why = "the authority " + subjectOf(o.missing) + " is trusted here, but is not in the trust store of the service's " +
			"Java; "
	default:
		why = "the chain is trusted here, but not by the service's Java: " + o.Words + "; "
	}
	why += o.called() + " reads " + o.store()
	if o.Sentence != "" {
		why += ", and says: " + o.Sentence
	}
	return why
}

// called names the machine and how it was found.
func (o *javaOpinion) called() string {
	m := o.trust.Machine
	return cleanText(m.String(), maxTextKept) + " (" + cleanText(m.How, maxTextKept) + ")"
}

func (o *javaOpinion) store() string {
	s := o.trust.Store
	if s.Path == "" {
		return "no trust store (" + cleanText(s.How, maxTextKept) + ")"
	}
	return fmt.Sprintf("%s (%s, %d authorities)", cleanText(s.Path, maxTextKept), s.How, o.trust.Count)
}

func subjectOf(cert *x509.Certificate) string {
	return `"` + cleanText(tlsprobe.SubjectText(cert), maxTextKept) + `"`
}

// replacedFor is for how long a check that is well tells that the store was replaced.
const replacedFor = 24 * time.Hour

// javaNews is what a check that is well has to say of the service's Java; empty where there is nothing.
func javaNews(attempts []attempt) string {
	if len(attempts) == 0 || attempts[0].java == nil {
		return ""
	}
	view := attempts[0].java
	if view.err != nil {
		return "; not judged by the service's Java: " + cleanText(view.err.Error(), maxDetail)
	}
	if r := view.trust.Replaced; r != nil && time.Since(r.Noted) < replacedFor {
		return fmt.Sprintf("; the trust store of the service's Java was replaced (noted on %s): %d of its authorities "+
			"vanished, %d came", r.Noted.UTC().Format("2006-01-02 15:04 UTC"), r.Lost, r.Gained)
	}
	return ""
}
