package profile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxText is how many bytes of a property are read: the ones delivered have some 300.
const maxText = 64 << 10

// Rule is one entry of a list of disabled algorithms, as the comments of java.security describe it: an algorithm, and
// conditions that must all hold for it to be denied. Without conditions it is denied altogether.
type Rule struct {
	Algorithm string   // a name, part of one (SHA1 of SHA1withRSA), or a pattern of suites (TLS_RSA_*)
	Sizes     []Size   // of the key, in bits
	JDKCA     bool     // only in chains that end in an authority that came with the JDK
	Usages    []string // TLSServer, TLSClient, SignedJAR, HandshakeSignature, CertificateSignature; any of them
	DenyAfter time.Time
}

// Size is a condition on the length of a key.
type Size struct {
	Operator string // < <= == != > >=
	Bits     int
}

// Holds says whether a key of that many bits meets the condition.
func (s Size) Holds(bits int) bool {
	switch s.Operator {
	case "<":
		return bits < s.Bits
	case "<=":
		return bits <= s.Bits
	case "==":
		return bits == s.Bits
	case "!=":
		return bits != s.Bits
	case ">":
		return bits > s.Bits
	case ">=":
		return bits >= s.Bits
	}
	return false
}

// String is the rule as java.security has it.
func (r Rule) String() string {
	var conditions []string
	if r.JDKCA {
		conditions = append(conditions, "jdkCA")
	}
	for _, s := range r.Sizes {
		conditions = append(conditions, fmt.Sprintf("keySize %s %d", s.Operator, s.Bits))
	}
	if len(r.Usages) > 0 {
		conditions = append(conditions, "usage "+strings.Join(r.Usages, " "))
	}
	if !r.DenyAfter.IsZero() {
		conditions = append(conditions, "denyAfter "+r.DenyAfter.Format(time.DateOnly))
	}
	return strings.TrimSpace(r.Algorithm + " " + strings.Join(conditions, " & "))
}

// plain says that the algorithm is denied altogether.
func (r Rule) plain() bool {
	return len(r.Sizes) == 0 && !r.JDKCA && len(r.Usages) == 0 && r.DenyAfter.IsZero()
}

// names says whether the rule is about one of the names, which are compared without case.
func (r Rule) names(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(r.Algorithm, n) })
}

// Parse reads a list of disabled algorithms. An entry "include NAME" stands for the list that include has under the
// name in lower case. What cannot be read is left out, and named in the error.
func Parse(text string, include map[string]string) ([]Rule, error) {
	return parse(text, include, true)
}

func parse(text string, include map[string]string, outer bool) ([]Rule, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("the list is longer than %d bytes", maxText)
	}
	text = strings.TrimSpace(text)
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = text[1 : len(text)-1]
	}
	var rules []Rule
	var errs []error
	for entry := range strings.SplitSeq(text, ",") {
		words := strings.Fields(entry)
		switch {
		case len(words) == 0:
		case len(words) == 2 && strings.EqualFold(words[0], "include") && outer:
			included, err := parse(include[strings.ToLower(words[1])], nil, false)
			rules, errs = append(rules, included...), append(errs, err)
		default:
			rule, err := parseRule(words)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			rules = append(rules, rule)
		}
	}
	return rules, errors.Join(errs...)
}

// parseRule reads an algorithm and its conditions, which stand between ampersands.
func parseRule(words []string) (Rule, error) {
	r := Rule{Algorithm: words[0]}
	if len(words) > 1 && (r.names("X9.62") || r.names("NIST")) { // the only names of two words: curves
		r.Algorithm += " " + words[1]
		words = words[1:]
	}
	if len(words) == 1 {
		return r, nil
	}
	for condition := range strings.SplitSeq(strings.Join(words[1:], " "), "&") {
		if err := r.add(strings.Fields(condition)); err != nil {
			return Rule{}, fmt.Errorf("%s: %w", quote(strings.Join(words, " ")), err)
		}
	}
	return r, nil
}

// add reads one condition.
func (r *Rule) add(words []string) error {
	if len(words) == 0 {
		return errors.New("a condition is missing")
	}
	switch {
	case words[0] == "keySize" && len(words) == 3:
		return r.addSize(words[1], words[2])
	case strings.EqualFold(words[0], "jdkCA") && len(words) == 1 && !r.JDKCA:
		r.JDKCA = true
	case words[0] == "usage" && len(words) > 1:
		r.Usages = append(r.Usages, words[1:]...)
	case words[0] == "denyAfter" && len(words) == 2 && r.DenyAfter.IsZero():
		day, err := time.Parse(time.DateOnly, words[1])
		if err != nil {
			return fmt.Errorf("denyAfter wants a day, such as 2030-01-31, not %s", quote(words[1]))
		}
		r.DenyAfter = day
	default:
		return fmt.Errorf("the condition %s is unknown", quote(strings.Join(words, " ")))
	}
	return nil
}

func (r *Rule) addSize(operator, bits string) error {
	if !slices.Contains([]string{"<", "<=", "==", "!=", ">", ">="}, operator) {
		return fmt.Errorf("keySize wants an operator such as <, not %s", quote(operator))
	}
	n, err := strconv.Atoi(bits)
	if err != nil || n < 0 {
		return fmt.Errorf("keySize wants a number of bits, not %s", quote(bits))
	}
	r.Sizes = append(r.Sizes, Size{operator, n})
	return nil
}

// quote shows words of a file: escaped, and not at any length.
func quote(words string) string { return strconv.QuoteToASCII(words[:min(len(words), 100)]) }

// minimumRSA is the length below which the rules deny an RSA key in a server's certificate of whatever authority.
func minimumRSA(rules []Rule) int {
	least := 0
	for _, r := range rules {
		if !r.names("RSA") || r.JDKCA || !r.DenyAfter.IsZero() || len(r.Sizes) != 1 || !r.meant("TLSServer") {
			continue
		}
		switch size := r.Sizes[0]; size.Operator {
		case "<":
			least = max(least, size.Bits)
		case "<=":
			least = max(least, size.Bits+1)
		}
	}
	return least
}

// meant says whether the rule is about a usage.
func (r Rule) meant(usage string) bool {
	return len(r.Usages) == 0 || slices.ContainsFunc(r.Usages, func(u string) bool { return strings.EqualFold(u, usage) })
}
