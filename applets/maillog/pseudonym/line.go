package pseudonym

import (
	"net/netip"
	"slices"
	"strings"
)

// keys are those whose values are user names. What is in front of them is part of no
// address.
var keys = []string{"user", "username", "sasl_username", "sasl_sender", "login", "from", "to", "orig_to", "ruser"}

// quoting are how Postfix begins to quote what a client sent where a command should be:
// any text, such as the message itself.
var quoting = []string{"non-SMTP command from ", "improper command pipelining after ", "Illegal address syntax from "}

// unquoted returns a line without what a client sent.
func unquoted(line string) (string, bool) {
	for _, begin := range quoting {
		if _, after, ok := strings.Cut(line, begin); ok {
			_, text, ok := strings.Cut(after, ": ")
			return line[:len(line)-len(text)], ok
		}
	}
	return line, false
}

// Append appends a line to dst, with pseudonyms for the names in it.
func (n *Namer) Append(dst []byte, line string) []byte {
	line, cut := unquoted(line)
	dst = n.names(dst, line)
	if cut {
		dst = append(dst, "..."...)
	}
	return dst
}

func (n *Namer) names(dst []byte, line string) []byte {
	word := 0 // where the last word that was looked at ends
	for i := 0; i < len(line); {
		end := i
		switch c := line[i]; {
		case c == '<':
			dst, end = n.bracket(dst, line, i)
		case c == '"':
			dst, end = n.quoted(dst, line, i)
		case c == '?' && i+1 < len(line) && !space(line[i+1]) && line[i+1] != '"':
			dst = append(dst, "?..."...)
			end = until(line, i, func(c byte) bool { return space(c) || c == '"' || c == '<' })
		case i >= word && wordByte(c):
			word = until(line, i, func(c byte) bool { return !wordByte(c) })
			dst, end = n.word(dst, line, i, word)
		}
		if end == i {
			dst, end = n.ip(dst, line, i)
		}
		if end == i {
			dst, end = append(dst, line[i]), i+1
		}
		i = end
	}
	return dst
}

// bracket takes what begins with "<" at i.
func (n *Namer) bracket(dst []byte, line string, i int) ([]byte, int) {
	end := until(line, i, func(c byte) bool { return c == '>' })
	dst = append(dst, '<')
	if name := line[i+1 : end]; name != "" {
		dst = n.appendName(dst, name)
	}
	return dst, end
}

// quoted takes an address with a quoted local part. Any other quotation is none of its
// business.
func (n *Namer) quoted(dst []byte, line string, i int) ([]byte, int) {
	shut := until(line, i+1, func(c byte) bool { return c == '"' })
	if shut+1 >= len(line) || line[shut+1] != '@' {
		return dst, i
	}
	end := domain(line, shut+1)
	return n.appendName(dst, line[i:end]), end
}

// word takes the word at i, which ends at end, if it names a person or a machine.
func (n *Namer) word(dst []byte, line string, i, end int) ([]byte, int) {
	text := line[i:end]
	key, value, ok := strings.Cut(text, "=")
	known := ok && value != "" && slices.Contains(keys, key)
	switch {
	case known && !hasAt(value):
		return n.appendName(append(dst, text[:len(key)+1]...), value), end
	case known:
		i += len(key) + 1
		dst = append(dst, text[:len(key)+1]...)
	case !hasAt(text):
		return dst, i
	}
	// Punctuation of the sentence is not the address's.
	first, last := i, end
	for first < last && strings.IndexByte("'`", line[first]) >= 0 {
		first++
	}
	if line[end-1] == '@' {
		last = domain(line, end-1)
		end = last
	}
	for last > first && strings.IndexByte("'`.!", line[last-1]) >= 0 {
		last--
	}
	dst = n.appendName(append(dst, line[i:first]...), line[first:last])
	return append(dst, line[last:end]...), end
}

// domain returns where the domain, or the literal, ends whose "@" is at i.
func domain(line string, i int) int {
	if i+1 < len(line) && line[i+1] == '[' {
		literal := line[i : i+min(len(line)-i, len("@[IPv6:]")+maxIP)]
		if n := strings.IndexByte(literal, ']'); n >= 0 {
			return i + n + 1
		}
	}
	return until(line, i, func(c byte) bool { return !wordByte(c) })
}

// maxIP is the length of the longest IP address, of IPv6 with IPv4 at its end, and one
// byte to see that it ends.
const maxIP = 46

// maxTries is as often as something may have to be cut off the end of what looks like
// an address: a colon, a port, and another colon.
const maxTries = 4

// ip takes the IP address that begins at i, if one does. A port or punctuation may
// follow it.
func (n *Namer) ip(dst []byte, line string, i int) ([]byte, int) {
	if !ipByte(line[i]) || i > 0 && alphanumeric(line[i-1]) {
		return dst, i
	}
	run := line[i:min(i+maxIP, len(line))]
	run = run[:until(run, 0, func(c byte) bool { return !ipByte(c) })]
	for range maxTries {
		if strings.Count(run, ":") < 2 && strings.Count(run, ".") < 3 {
			break
		}
		ip, err := netip.ParseAddr(run)
		switch {
		case err != nil:
			run = run[:strings.LastIndexAny(run, ":.")]
		case ip.Unmap().IsLoopback() || ip.IsUnspecified():
			return append(dst, run...), i + len(run)
		default:
			return n.appendName(dst, run), i + len(run)
		}
	}
	return dst, i
}

// until returns the first position after i at which stop holds, or the line's end.
func until(line string, i int, stop func(byte) bool) int {
	for i++; i < len(line); i++ {
		if stop(line[i]) {
			return i
		}
	}
	return len(line)
}

func space(c byte) bool { return c <= ' ' || c == 0x7f }

// wordByte says whether c can be in an address outside of quotes and brackets: what
// RFC 5322 has in an atom, but "/" and "?", which are between the parts of a path.
func wordByte(c byte) bool { return words[c] }

// ipByte says whether c can be in an IP address.
func ipByte(c byte) bool { return ips[c] }

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

var words, ips = classes()

func classes() (words, ips [256]bool) {
	for c := range words {
		words[c] = !space(byte(c)) && strings.IndexByte(`<>()[]{},;:"\/?`, byte(c)) < 0
		ips[c] = strings.IndexByte("0123456789abcdefABCDEF:.", byte(c)) >= 0
	}
	return words, ips
}
