package queue

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A Rule says what becomes of mail for a destination, that which waits and that
// which is yet to come.
type Rule string

// The rules. Mail without one is delivered.
const (
	Deliver Rule = ""
	Hold    Rule = "hold"    // it waits, and is bounced when it is too old
	Discard Rule = "discard" // dropped; senders are not notified
	Other   Rule = "other"   // a transport that someone has written into the map
)

// Word says what a rule makes of mail; it is "" for a rule that is none of ours.
func (r Rule) Word() string {
	return map[Rule]string{Hold: "held", Discard: "discarded"}[r]
}

// transports are the rules as transport(5) has them: error(8), called "retry" in
// master.cf, defers with a text; discard(8) says in the log that it did.
var transports = map[Rule]string{
	Hold:    "retry:4.7.1 held by the operator",
	Discard: "discard:by the operator",
}

// Rules is the content of a transport map: a line for each destination. Lines
// that are not of this package stay as they are.
type Rules struct{ lines []string }

// ErrOther is the error of a destination for which the map has a transport that
// is none of ours.
var ErrOther = errors.New("the transport map has another line for it")

// ParseRules reads a transport map. Every text is one: Postfix says what it
// thinks of lines that someone else wrote.
func ParseRules(text string) Rules {
	if text = strings.TrimRight(text, "\n"); text == "" {
		return Rules{}
	}
	return Rules{strings.Split(text, "\n")}
}

// Text is the map as it is written to the disk.
func (r Rules) Text() string {
	if len(r.lines) == 0 {
		return ""
	}
	return strings.Join(r.lines, "\n") + "\n"
}

// All returns the rules by destination.
func (r Rules) All() map[string]Rule {
	all := map[string]Rule{}
	for _, line := range r.lines {
		if domain, rule, ok := parseRule(line); ok {
			all[domain] = rule
		}
	}
	return all
}

// Set returns the rules with that of one destination changed.
func (r Rules) Set(destination string, rule Rule) (Rules, error) {
	if r.All()[destination] == Other {
		return r, fmt.Errorf("%s: %w", destination, ErrOther)
	}
	lines := slices.DeleteFunc(slices.Clone(r.lines), func(line string) bool {
		domain, _, ok := parseRule(line)
		return ok && domain == destination
	})
	if transport, ok := transports[rule]; ok {
		lines = append(lines, destination+"\t"+transport)
	}
	return Rules{lines}, nil
}

func parseRule(line string) (destination string, rule Rule, ok bool) {
	if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" || strings.TrimLeft(line, " \t") != line {
		return "", "", false // a comment, nothing, or the rest of the line before
	}
	end := strings.IndexAny(line, " \t")
	if end < 0 {
		return line, Other, true
	}
	value := strings.TrimSpace(line[end:])
	for rule, transport := range transports {
		if value == transport {
			return strings.ToLower(line[:end]), rule, true
		}
	}
	return strings.ToLower(line[:end]), Other, true
}

// destination is a domain or an address literal. It is compiled when it is needed: the
// daemons, which are the same program, never do.
var destination = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(_?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|` +
		`\[([0-9.]+|ipv6:[0-9a-f:.]+)\])$`)
})

// maxDomain is the longest name of the DNS, in bytes (RFC 1035 §3.1).
const maxDomain = 253

// ParseDestination returns a domain, or an address literal in its brackets, in
// the form in which the map has it.
func ParseDestination(text string) (string, error) {
	d := strings.ToLower(strings.TrimSuffix(text, "."))
	if len(d) > maxDomain || !destination().MatchString(d) {
		return "", fmt.Errorf("%q: want the part after the @ of an address, such as example.org or [192.0.2.7]", text)
	}
	return d, nil
}
