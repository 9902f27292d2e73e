package config

import "strings"

// nearest is the word that was probably meant; empty when none is near.
func nearest(word string, words []string) string {
	const longest = 64 // the work grows with the product of the lengths
	if len(word) > longest {
		return ""
	}
	fold := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "_") }
	best, least := "", max(len(word)/3, 1)+1
	for _, w := range words {
		if d := distance(fold(word), fold(w)); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance is how many characters must be added, removed, changed or swapped with their neighbour (Damerau-Levenshtein,
// optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
