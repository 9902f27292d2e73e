package kernel

import (
	"fmt"
	"sallyport/firewall/kernel/attribute"

	"golang.org/x/sys/unix"
)

// rawExpression is one instruction of a rule, or one that a set carries for its elements.
type rawExpression struct {
	name  string
	attrs attribute.List  // of NFTA_EXPR_DATA
	inner []rawExpression // what a dynset runs for each element
}

// maxNesting is how deep expressions may stand in expressions. The kernel has two levels: a dynset's are the second.
const maxNesting = 2

// decodeExpressionList reads a list of NFTA_LIST_ELEM, each an expression.
func decodeExpressionList(b []byte, depth int) ([]rawExpression, error) {
	items, err := attribute.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("expressions: %w", err)
	}
	list := make([]rawExpression, 0, len(items))
	for _, item := range items {
		e, err := decodeExpression(item.Data, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

func decodeExpression(b []byte, depth int) (rawExpression, error) {
	if depth >= maxNesting {
		return rawExpression{}, fmt.Errorf("%w: expressions nested deeper than %d", attribute.ErrMalformed, maxNesting)
	}
	attrs, err := attribute.Parse(b)
	if err != nil {
		return rawExpression{}, fmt.Errorf("expression: %w", err)
	}
	e := rawExpression{name: attrs.Text(unix.NFTA_EXPR_NAME)}
	if e.attrs, err = attrs.Nested(unix.NFTA_EXPR_DATA); err != nil {
		return rawExpression{}, fmt.Errorf("expression %q: %w", e.name, err)
	}
	if e.name == exprDynset {
		e.inner, err = decodeInner(e.attrs, nftaDynsetExpr, nftaDynsetExpressions, depth+1)
		e.attrs = e.attrs.Without(nftaDynsetExpr, nftaDynsetExpressions)
	}
	return e, err
}

// decodeInner reads the expressions of a dynset, a set or an element. The kernel sends a single one under an attribute of
// its own, several as a list; libnftables and google/nftables differ in which of the two they use to say the same.
func decodeInner(attrs attribute.List, one, several uint16, depth int) ([]rawExpression, error) {
	if attrs.Has(one) {
		e, err := decodeExpression(attrs.Bytes(one), depth)
		return []rawExpression{e}, err
	}
	if attrs.Has(several) {
		return decodeExpressionList(attrs.Bytes(several), depth)
	}
	return nil, nil
}

// Names of the expressions that are treated on their own (nft_*.c, struct nft_expr_type).
const (
	exprBitwise   = "bitwise"
	exprCmp       = "cmp"
	exprCounter   = "counter"
	exprCT        = "ct"
	exprDynset    = "dynset"
	exprFIB       = "fib"
	exprImmediate = "immediate"
	exprLast      = "last"
	exprLimit     = "limit"
	exprLog       = "log"
	exprLookup    = "lookup"
	exprMeta      = "meta"
	exprObjref    = "objref"
	exprPayload   = "payload"
	exprQuota     = "quota"
	exprRange     = "range"
	exprReject    = "reject"
)
