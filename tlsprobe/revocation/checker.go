package revocation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math"
	"strconv"
	"time"

	"golang.org/x/crypto/ocsp"

	"sallyport/tlsprobe/fetch"
)

// Told is what is known of one certificate of a chain.
type Told struct {
	Cert   *x509.Certificate
	Issuer *x509.Certificate
	Answer
	Aged      bool      // the answer still holds, but is due to be asked for anew
	Exempt    bool      // the authority says that it publishes nothing of it (RFC 9608)
	Unstapled bool      // it demands a stapled response (RFC 7633), and the server has none that is good
	Failures  []Failure // of the sources that were asked before the answer was there
}

// Settled says that there is nothing left to ask at this time.
func (t Told) Settled() bool { return t.Exempt || t.Status != Unknown && !t.Aged }

// Checker asks authorities about certificates, and remembers what they answered, and that they did not. It is for all
// checks of a process, and safe for concurrent use.
type Checker struct {
	answers cache[Answer]
	lists   cache[*List]
	staples cache[judged]
	loading chan struct{} // one list at a time is in memory whole
}

// judged is what a stapled response was found to be.
type judged struct {
	sum    [sha256.Size]byte
	answer Answer
	err    error
}

// NewChecker is a checker that knows nothing yet.
func NewChecker() *Checker {
	return &Checker{lists: cache[*List]{size: (*List).size}, loading: make(chan struct{}, 1)}
}

// Known is what is known of each certificate of a verified chain but its root, the server's own first, without a question
// to anybody: by the stapled response, and by what was answered before.
func (c *Checker) Known(path []*x509.Certificate, staple []byte) []Told {
	return c.each(path, staple, func(t *Told) failures { return c.recall(t) })
}

// Ask is Known, and asks where that is not enough: each responder that a certificate names, then each list, until one
// answers. It is done when ctx ends. Each question gets half of the time that is left.
func (c *Checker) Ask(ctx context.Context, path []*x509.Certificate, staple []byte) []Told {
	return c.each(path, staple, func(t *Told) (failed failures) {
		t.Answer, failed = c.ask(ctx, t.Cert, t.Issuer)
		return failed
	})
}

// each goes through a chain. Ask finds the answer about a certificate.
func (c *Checker) each(path []*x509.Certificate, staple []byte, ask func(t *Told) failures) []Told {
	if len(path) < 2 {
		return nil
	}
	told := make([]Told, 0, len(path)-1)
	for i, cert := range path[:len(path)-1] {
		t := Told{Cert: cert, Issuer: path[i+1]}
		if i == 0 {
			c.stapled(&t, staple)
		}
		switch {
		case t.Status != Unknown:
		case neverRevoked(cert):
			t.Exempt = true
		default:
			t.Failures = append(t.Failures, ask(&t)...)
		}
		told = append(told, t)
	}
	return told
}

// stapled judges the response that the server sent along. A revocation that a responder told before counts for more.
func (c *Checker) stapled(t *Told, staple []byte) {
	must := mustStaple(t.Cert)
	if len(staple) == 0 {
		if must {
			t.Unstapled = true
			t.Failures = append(t.Failures, Failure{Source: FromStaple, Problem: Absent,
				Words: "the certificate demands one of its server, which sends none"})
		}
		return
	}
	key := keyOf(t.Cert, t.Issuer)
	answer, err := c.judgeStaple(key, staple, t.Cert, t.Issuer)
	if err != nil {
		t.Unstapled = must
		t.Failures = append(t.Failures, failureOf(FromStaple, "", err))
		return
	}
	if before, _, err := c.answers.peek(key, time.Now()); err == nil && before.Status == Revoked {
		answer = before
	}
	t.Answer = answer
}

// judgeStaple judges a response once: a server staples the same one for days.
func (c *Checker) judgeStaple(key string, staple []byte, cert, issuer *x509.Certificate) (Answer, error) {
	now, sum := time.Now(), sha256.Sum256(staple)
	s := c.staples.slot(key)
	if known, _, ok := c.staples.known(s, now); ok && known.sum == sum {
		return known.answer, known.err
	}
	answer, err := JudgeOCSP(staple, cert, issuer, now)
	answer.Source = FromStaple
	until := now.Add(minRefresh)
	if err == nil {
		until = answer.until()
	} else {
		answer = Answer{}
	}
	_, _ = c.staples.note(key, s, judged{sum, answer, err}, until, nil)
	return answer, err
}

// keyOf names a certificate by its issuer and serial number (RFC 5280 section 4.1.2.2).
func keyOf(cert, issuer *x509.Certificate) string {
	return nameOf(issuer) + string(cert.SerialNumber.Bytes())
}

// nameOf names an issuer by its certificate.
func nameOf(issuer *x509.Certificate) string {
	sum := sha256.Sum256(issuer.Raw)
	return string(sum[:])
}

// recall is what was answered before. That nobody was asked yet is no failure.
func (c *Checker) recall(t *Told) failures {
	cert, issuer := t.Cert, t.Issuer
	if len(cert.OCSPServer) == 0 && len(cert.CRLDistributionPoints) == 0 {
		return nowhere()
	}
	now := time.Now()
	answer, due, err := c.answers.peek(keyOf(cert, issuer), now)
	if err == nil {
		t.Answer, t.Aged = answer, due
		return nil
	}
	failed, _ := errors.AsType[failures](err)
	for _, place := range onHTTP(cert.CRLDistributionPoints) {
		if list, due, err := c.lists.peek(place+"\x00"+nameOf(issuer), now); err == nil {
			if answer, err := listed(list, cert); err == nil {
				t.Answer, t.Aged = answer, due
				return failed
			}
		}
	}
	return failed
}

func nowhere() failures {
	return failures{{Problem: Absent, Words: "the certificate names neither an OCSP responder nor a list of revocations"}}
}

// ask asks the responders, and where they do not tell, the lists.
func (c *Checker) ask(ctx context.Context, cert, issuer *x509.Certificate) (Answer, failures) {
	responders, lists := onHTTP(cert.OCSPServer), onHTTP(cert.CRLDistributionPoints)
	if len(responders)+len(lists) == 0 {
		failed := nowhere()
		if len(cert.OCSPServer)+len(cert.CRLDistributionPoints) > 0 {
			failed[0].Words = "the certificate names no OCSP responder and no list on http, and nothing else is asked"
		}
		return Answer{}, failed
	}
	var failed failures
	if len(responders) > 0 {
		answer, err := c.answers.get(ctx, keyOf(cert, issuer), func(ctx context.Context) (Answer, time.Time, error) {
			return askResponders(ctx, responders, cert, issuer)
		})
		if err == nil {
			return answer, nil
		}
		failed = append(failed, failuresOf(FromOCSP, responders[0], err)...)
	}
	for _, place := range lists {
		answer, err := c.askList(ctx, place, cert, issuer)
		if err == nil {
			return answer, failed
		}
		failed = append(failed, failureOf(FromCRL, place, err))
	}
	return Answer{}, failed
}

// askResponders asks one after the other. The error is of the type failures.
func askResponders(ctx context.Context, places []string, cert, issuer *x509.Certificate) (Answer, time.Time, error) {
	question, err := ocsp.CreateRequest(cert, issuer, nil)
	if err != nil {
		return Answer{}, time.Time{}, failures{failureOf(FromOCSP, places[0], err)}
	}
	var failed failures
	for _, place := range places {
		one, cancel := half(ctx)
		answer, err := askResponder(one, place, question, cert, issuer)
		cancel()
		if err == nil {
			return answer, answer.until(), nil
		}
		if isHeld(err) && len(failed) == 0 {
			return Answer{}, time.Time{}, err
		}
		failed = append(failed, failureOf(FromOCSP, place, err))
	}
	return Answer{}, time.Time{}, failed
}

func askResponder(ctx context.Context, place string, question []byte, cert, issuer *x509.Certificate) (Answer, error) {
	der, err := fetch.Post(ctx, place, "application/ocsp-request", question, MaxOCSP)
	if err != nil {
		return Answer{}, err
	}
	answer, err := JudgeOCSP(der, cert, issuer, time.Now())
	answer.Source = FromOCSP
	return answer, err
}

// askList looks the certificate up in a list.
func (c *Checker) askList(ctx context.Context, place string, cert, issuer *x509.Certificate) (Answer, error) {
	list, err := c.lists.get(ctx, place+"\x00"+nameOf(issuer), func(ctx context.Context) (*List, time.Time, error) {
		return c.load(ctx, place, issuer)
	})
	if err != nil {
		return Answer{}, err
	}
	return listed(list, cert)
}

func listed(list *List, cert *x509.Certificate) (Answer, error) {
	answer, err := list.Of(cert)
	answer.Source = FromCRL
	return answer, err
}

// load fetches a list when no other is being read.
func (c *Checker) load(ctx context.Context, place string, issuer *x509.Certificate) (*List, time.Time, error) {
	ctx, cancel := half(ctx)
	defer cancel()
	select {
	case c.loading <- struct{}{}:
	case <-ctx.Done():
		return nil, time.Time{}, errHeld
	}
	defer func() { <-c.loading }()
	der, err := fetch.Get(ctx, place, MaxCRL)
	if err != nil {
		return nil, time.Time{}, err
	}
	list, err := JudgeCRL(der, issuer, time.Now())
	if err != nil {
		return nil, time.Time{}, err
	}
	return list, list.answer().until(), nil
}

// half is a context with half of the time that is left.
func half(ctx context.Context) (context.Context, context.CancelFunc) {
	left := time.Duration(math.MaxInt64)
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	return context.WithTimeout(ctx, left/2)
}

// isHeld says that a question was not asked, or given up by its caller: nothing is learnt of who was to answer.
func isHeld(err error) bool {
	return errors.Is(err, errHeld) || errors.Is(err, fetch.ErrSpent) || errors.Is(err, context.Canceled)
}

// failuresOf are the failures in an error of responders.
func failuresOf(source Source, place string, err error) failures {
	if all, ok := errors.AsType[failures](err); ok {
		return all
	}
	return failures{failureOf(source, place, err)}
}

// failureOf is an error of a source as a failure.
func failureOf(source Source, place string, err error) Failure {
	f := Failure{Source: source, Problem: Unreachable, Words: err.Error()}
	if inner := errors.Unwrap(err); inner != nil {
		f.Words = inner.Error() // without the address, which is told beside it
	}
	if place != "" {
		f.At = quote(place)
	}
	bad, judged := errors.AsType[*Error](err)
	answered, status := errors.AsType[*fetch.StatusError](err)
	switch {
	case judged:
		f.Problem, f.Words = bad.Problem, bad.Words
	case isHeld(err):
		f.Problem, f.Words = Held, "the run has no time or no fetch left for it"
	case errors.Is(err, fetch.ErrTooLarge):
		f.Problem, f.Words = TooLarge, "more than "+strconv.Itoa(limitOf(source))+" bytes"
	case errors.Is(err, context.DeadlineExceeded):
		f.Words = "no answer in time"
	case status:
		f.Words = answered.Error()
	}
	return f
}

func limitOf(source Source) int {
	if source == FromCRL {
		return MaxCRL
	}
	return MaxOCSP
}
