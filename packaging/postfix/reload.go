package postfix

import (
	"bytes"
	"slices"
	"strings"
)

// bound are the parameters that master(8) reads once, when it starts: after a reload it
// continues with the former values, and says so in its log.
var bound = []string{"inet_interfaces", "inet_protocols", "queue_directory", "config_directory"}

// ReloadsMain reports whether a reload brings a Postfix from one main.cf to another. It
// ends no connection: a server that talks to a client continues with the former
// configuration until that client quits. A restart kills it, and smtpd(8) has no last
// words: the client sees a broken connection instead of "421".
func ReloadsMain(former, next []byte) bool {
	a, b := parameters(former), parameters(next)
	return !slices.ContainsFunc(bound, func(name string) bool { return a[name] != b[name] })
}

// ReloadsMaster is the same for a master.cf. A service that comes may listen where one
// that goes still does: master opens the new ones first, and would exit.
func ReloadsMaster(former, next []byte) bool {
	a, b := listeners(former), listeners(next)
	comes := slices.ContainsFunc(b, func(name string) bool { return !slices.Contains(a, name) })
	goes := slices.ContainsFunc(a, func(name string) bool { return !slices.Contains(b, name) })
	return !comes || !goes
}

// parameters are those that a main.cf sets; of several the last counts.
func parameters(text []byte) map[string]string {
	set := map[string]string{}
	for _, line := range logicalLines(text) {
		if name, value, ok := strings.Cut(line, "="); ok {
			set[strings.TrimSpace(name)] = strings.Join(strings.Fields(value), " ")
		}
	}
	return set
}

// listeners are the first columns of a master.cf's services of type inet.
func listeners(text []byte) []string {
	var names []string
	for _, line := range logicalLines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "inet" {
			names = append(names, f[0])
		}
	}
	return names
}

// logicalLines joins lines with those that continue them, which begin with a space, and
// leaves out comments (postconf(5)).
func logicalLines(text []byte) []string {
	var lines []string
	for line := range bytes.Lines(text) {
		trimmed := strings.TrimSpace(string(line))
		switch {
		case trimmed == "" || trimmed[0] == '#':
		case (line[0] == ' ' || line[0] == '\t') && len(lines) > 0:
			lines[len(lines)-1] += " " + trimmed
		default:
			lines = append(lines, trimmed)
		}
	}
	return lines
}
