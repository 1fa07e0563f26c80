package chat

import "strings"

const (
	signature = "-- " // the line before the author's standing line about himself

	// zeroWidth is a space of no width, which the client puts before dashes at the
	// beginning of a line that is not such a mark.
	zeroWidth = "\u200b"
)

// wireText returns a text as clients send it: the quote marked by ">", and
// dashes protected where they would be read as the mark of a signature.
func wireText(quote, text string) string {
	var b strings.Builder
	if quote != "" {
		for line := range strings.SplitSeq(quote, "\n") {
			b.WriteString("> " + line + "\n")
		}
		b.WriteString("\n")
	} else if strings.HasPrefix(text, ">") {
		b.WriteString("\n") // so that it is not read as a quote
	}
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		if strings.HasPrefix(line, "--") {
			b.WriteString(zeroWidth)
		}
		b.WriteString(line)
	}
	return b.String()
}

// readText is the reverse. The signature is dropped.
func readText(wire string) (quote, text string) {
	wire = strings.ReplaceAll(strings.ToValidUTF8(wire, "\ufffd"), "\r\n", "\n")
	lines := strings.Split(wire, "\n")
	for i, line := range lines {
		if line == signature {
			lines = lines[:i]
			break
		}
	}
	quoted := 0
	for quoted < len(lines) && strings.HasPrefix(lines[quoted], ">") {
		quoted++
	}
	for i, line := range lines[:quoted] {
		line = strings.TrimPrefix(line, ">")
		lines[i] = strings.TrimPrefix(line, " ")
	}
	quote = strings.Join(lines[:quoted], "\n")
	rest := lines[quoted:]
	for i, line := range rest {
		if after, ok := strings.CutPrefix(line, zeroWidth); ok && strings.HasPrefix(after, "--") {
			rest[i] = after
		}
	}
	return quote, strings.Trim(strings.Join(rest, "\n"), "\n")
}
