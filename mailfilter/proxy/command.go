package proxy

import "strings"

// cutVerb splits a command line into its verb, in upper case, and the rest.
func cutVerb(line string) (verb, args string) {
	verb, args, _ = strings.Cut(line, " ")
	for _, known := range [...]string{"EHLO", "MAIL", "RCPT", "DATA", "QUIT"} {
		if strings.EqualFold(verb, known) {
			return known, args
		}
	}
	return strings.ToUpper(verb), args
}

// path is the argument of MAIL or RCPT.
type path struct {
	addr   string // without angle brackets, as it came
	params string // as they came, with the space before them, or ""
}

// parsePath parses "FROM:<addr> params", given "FROM:" as its keyword. Postfix
// hands on what its client wrote, which may have a space after the colon (RFC 5321,
// section 4.1.1.2, has none). Without angle brackets it takes nothing, by
// strict_rfc821_envelopes.
func parsePath(args, keyword string) (path, bool) {
	if len(args) < len(keyword) || !strings.EqualFold(args[:len(keyword)], keyword) {
		return path{}, false
	}
	rest := strings.TrimLeft(args[len(keyword):], " ")
	if !strings.HasPrefix(rest, "<") {
		return path{}, false
	}
	end := endOfPath(rest)
	if end < 0 {
		return path{}, false
	}
	p := path{addr: rest[1:end], params: strings.TrimRight(rest[end+1:], " ")}
	if p.params != "" && p.params[0] != ' ' || strings.ContainsAny(p.addr, "<>\t") {
		return path{}, false
	}
	return p, true
}

// endOfPath returns the index of the ">" that ends the path at the start of s,
// which is not one within a quoted string, or -1.
func endOfPath(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '>' && !quoted:
			return i
		}
	}
	return -1
}

// plain reports whether the address has one spelling only. Postfix strips
// source routes and needless quotes, so that "bob"@host and <@relay:bob@host>
// reach bob@host; a policy that looks at bob@host has to see just that.
func plain(addr string) bool {
	return addr != "" && addr[0] != '@' && !strings.ContainsAny(addr, "\"\\ (),")
}

// param returns the value of a parameter, or "".
func (p path) param(name string) string {
	for field := range strings.FieldsSeq(p.params) {
		key, value, _ := strings.Cut(field, "=")
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// sameAddress reports whether two addresses differ at most in the case of ASCII letters.
func sameAddress(a, b string) bool {
	return len(a) == len(b) && printable(b) && strings.EqualFold(a, b)
}
