package imap

import (
	"slices"
	"strings"
)

// Metadata asks for entries of a mailbox, "" for the server, and returns those
// that have a value (RFC 5464 §4.2), by their names in lower case.
func (d *Client) Metadata(mailbox string, entries ...string) (map[string]string, error) {
	untagged, err := d.OK("GETMETADATA %s (%s)", quote(mailbox), strings.Join(entries, " "))
	if err != nil {
		return nil, err
	}
	values := make(map[string]string)
	for _, line := range untagged {
		if list, ok := strings.CutPrefix(line, "* METADATA "); ok {
			parseMetadata(list, values)
		}
	}
	return values, nil
}

// SetMetadata sets an entry of a mailbox.
func (d *Client) SetMetadata(mailbox, entry, value string) error {
	_, err := d.OK("SETMETADATA %s (%s %s)", quote(mailbox), entry, quote(value))
	return err
}

// parseMetadata reads "mailbox (entry value entry value)".
func parseMetadata(list string, values map[string]string) {
	words := tokens(list)
	for pair := range slices.Chunk(words[min(1, len(words)):], 2) {
		if len(pair) == 2 && !pair[1].none {
			values[strings.ToLower(pair[0].text)] = pair[1].text
		}
	}
}

// token is a word of an IMAP response: an atom, a string or NIL.
type token struct {
	text string
	none bool
}

// tokens cuts a response into its words (RFC 3501 §9). Parentheses are left out.
func tokens(s string) []token {
	var words []token
	for s = strings.TrimLeft(s, " ()"); s != ""; s = strings.TrimLeft(s, " ()") {
		var word token
		switch {
		case s[0] == '"':
			word.text, s = cutQuoted(s[1:])
		case s[0] == '{':
			word.text, s = cutLiteral(s)
		default:
			end := strings.IndexAny(s, " ()")
			if end < 0 {
				end = len(s)
			}
			word, s = token{s[:end], strings.EqualFold(s[:end], "NIL")}, s[end:]
		}
		words = append(words, word)
	}
	return words
}

// cutQuoted reads up to the closing quote.
func cutQuoted(s string) (text, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}

// cutLiteral reads "{3}abc", as response joins it.
func cutLiteral(s string) (text, rest string) {
	head, after, _ := strings.Cut(s, "}")
	size, ok := literal(head + "}")
	if !ok || size > len(after) {
		return after, ""
	}
	return after[:size], after[size:]
}
