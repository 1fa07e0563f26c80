package dkim

import "encoding/base64"

// maxTags bounds the tags of one list.
const maxTags = 64

// tags is a tag list (RFC 6376, section 3.2).
type tags []tag

// tag is one tag. The value has no white space around it; folding in it is as
// it was. start and end say where all that is between "=" and ";" stands.
type tag struct {
	name, value string
	start, end  int
}

// parseTags reads a tag list. Names are case-sensitive, and none may be there
// twice.
func parseTags(text string) (tags, error) {
	var list tags
	for start := 0; start < len(text); {
		end := start
		for end < len(text) && text[end] != ';' {
			end++
		}
		t, ok := parseTag(text, start, end)
		if !ok && end == len(text) && trim(text[start:]) == "" && list != nil {
			break // after the last semicolon
		}
		if !ok || list.has(t.name) || len(list) == maxTags {
			return nil, errTags
		}
		list = append(list, t)
		start = end + 1
	}
	if list == nil {
		return nil, errTags
	}
	return list, nil
}

func parseTag(text string, start, end int) (tag, bool) {
	equals := start
	for equals < end && text[equals] != '=' {
		equals++
	}
	if equals == end {
		return tag{}, false
	}
	t := tag{name: trim(text[start:equals]), value: trim(text[equals+1 : end]), start: equals + 1, end: end}
	for i := range len(t.name) {
		if c := t.name[i]; !letter(c) && (i == 0 || !digit(c) && c != '_') {
			return tag{}, false
		}
	}
	for i := range len(t.value) {
		if c := t.value[i]; (c <= ' ' || c >= 0x7f) && !space(c) {
			return tag{}, false
		}
	}
	return t, t.name != ""
}

func (l tags) find(name string) (tag, bool) {
	for _, t := range l {
		if t.name == name {
			return t, true
		}
	}
	return tag{}, false
}

func (l tags) has(name string) bool {
	_, ok := l.find(name)
	return ok
}

// value returns a tag's value, or what it is by default.
func (l tags) value(name, standard string) string {
	if t, ok := l.find(name); ok {
		return t.value
	}
	return standard
}

// items splits a value at colons.
func items(value string) []string {
	var list []string
	for start, i := 0, 0; i <= len(value); i++ {
		if i == len(value) || value[i] == ':' {
			list = append(list, trim(value[start:i]))
			start = i + 1
		}
	}
	return list
}

// decode64 decodes base64 that may be folded anywhere.
func decode64(value string) ([]byte, error) {
	packed := make([]byte, 0, len(value))
	for i := range len(value) {
		if !space(value[i]) {
			packed = append(packed, value[i])
		}
	}
	n, err := base64.StdEncoding.Decode(packed, packed)
	if err != nil || n == 0 {
		return nil, errTags
	}
	return packed[:n], nil
}

func trim(s string) string {
	for s != "" && space(s[0]) {
		s = s[1:]
	}
	for s != "" && space(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func space(c byte) bool  { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }
func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// lower is for names, which are ASCII.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
