package dnssec

import (
	"fmt"
	"strconv"
	"strings"
)

// tagList names key tags for a person.
func tagList(tags []uint16) string {
	if len(tags) == 0 {
		return "no key"
	}
	var words []string
	for _, tag := range tags[:min(len(tags), maxTagsShown)] {
		words = append(words, strconv.Itoa(int(tag)))
	}
	list := strings.Join(words, ", ")
	if more := len(tags) - len(words); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return "key tag " + list
}
