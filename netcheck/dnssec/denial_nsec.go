package dnssec

// nsec is an NSEC record (RFC 4034 section 4): between owner and next there is no name of the zone.
type nsec struct {
	owner, next name
	types       bits
}

// covers says whether the name is between the two. The last record of a zone leads back to its first.
func (r nsec) covers(n name) bool {
	if n.below(r.owner) && !r.types.speaksBelow() {
		return false
	}
	afterOwner, beforeNext := compareNames(r.owner, n) < 0, compareNames(n, r.next) < 0
	if compareNames(r.owner, r.next) < 0 {
		return afterOwner && beforeNext
	}
	return afterOwner && n != r.next
}

// isEmptyNonTerminal says whether a covered name exists nevertheless, because the next one is below it.
func (r nsec) isEmptyNonTerminal(n name) bool { return r.next.below(n) }

// encloser is the closest existing name above a covered one: what it shares with one of the two ends.
func (r nsec) encloser(n name) name {
	a, b := commonAncestor(n, r.owner), commonAncestor(n, r.next)
	if len(a) > len(b) {
		return a
	}
	return b
}

func (d *denial) nsecAt(n name) (nsec, bool) {
	for _, r := range d.nsec {
		if r.owner == n {
			return r, true
		}
	}
	return nsec{}, false
}

func (d *denial) nsecOver(n name) (nsec, bool) {
	for _, r := range d.nsec {
		if r.covers(n) {
			return r, true
		}
	}
	return nsec{}, false
}

// nsecNoName follows RFC 4035 section 5.4; a name that exists only as a denial is RFC 9824's.
func (d *denial) nsecNoName(n name) bool {
	if r, ok := d.nsecAt(n); ok {
		return r.types.has(nxName)
	}
	r, ok := d.nsecOver(n)
	if !ok || r.isEmptyNonTerminal(n) {
		return false
	}
	wildcard, ok := r.encloser(n).wildcard()
	if !ok {
		return true
	}
	_, ok = d.nsecOver(wildcard)
	return ok
}

func (d *denial) nsecNoData(n name, kind uint16) bool {
	if r, ok := d.nsecAt(n); ok {
		return r.types.lacks(n, kind)
	}
	r, ok := d.nsecOver(n)
	if !ok {
		return false
	}
	if r.isEmptyNonTerminal(n) {
		return true
	}
	wildcard, ok := r.encloser(n).wildcard()
	if !ok {
		return false
	}
	w, ok := d.nsecAt(wildcard)
	return ok && w.types.lacks(wildcard, kind)
}

func (d *denial) nsecNoCloser(n, encloser name) bool {
	r, ok := d.nsecOver(n)
	return ok && !r.isEmptyNonTerminal(n) && r.encloser(n) == encloser
}

func (d *denial) nsecCut(n name) proof {
	if r, ok := d.nsecAt(n); ok {
		return r.types.cut()
	}
	r, ok := d.nsecOver(n)
	switch {
	case !ok:
		return unproved
	case r.isEmptyNonTerminal(n):
		return provedPlain
	default:
		return provedNone
	}
}
