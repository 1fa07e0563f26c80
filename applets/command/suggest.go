package command

import (
	"slices"
	"strings"
)

// maxTypos is how many letters a word may be away from the one that was meant.
const maxTypos = 2

// Suggest returns the word that was probably meant by a mistyped one, or "".
func Suggest(typed string, words []string) string {
	best, least := "", maxTypos+1
	for _, w := range words {
		switch d := distance(typed, w); {
		case 2*d >= min(len(typed), len(w)): // little of it is left
		case d < least:
			best, least = w, d
		}
	}
	return best
}

// distance is how many letters have to be inserted, deleted, replaced or swapped with
// their neighbour to make one word of the other (optimal string alignment).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

// Subcommand splits the subcommand off args. What is none of names is a usage error that
// says what was probably meant.
func Subcommand(args []string, names ...string) (name string, rest []string, err error) {
	if len(args) == 0 {
		return "", nil, Usagef("missing subcommand: %s", OneOf(names))
	}
	if slices.Contains(names, args[0]) {
		return args[0], args[1:], nil
	}
	err = Usagef("unknown subcommand %q: want %s", args[0], OneOf(names))
	if meant := Suggest(args[0], names); meant != "" {
		err = WithHint(err, "did you mean %s?", meant)
	}
	return "", nil, err
}

// OneOf writes a choice.
func OneOf(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
