package dict

import "strings"

// SplitQuoted splits a key at its double quotes, where each part was escaped by
// Dovecot's variable modifier %E: a backslash before ", ' and \ (strescape.c,
// str_escape). As in Dovecot, a backslash makes any character stand for itself.
func SplitQuoted(key string) []string {
	if !strings.Contains(key, `\`) {
		return strings.Split(key, `"`)
	}
	var parts []string
	var part strings.Builder
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c == '"':
			parts = append(parts, part.String())
			part.Reset()
		case c == '\\' && i+1 < len(key):
			i++
			part.WriteByte(key[i])
		case c != '\\':
			part.WriteByte(c)
		}
	}
	return append(parts, part.String())
}
