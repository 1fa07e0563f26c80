package postfix

import (
	"maps"
	"slices"
	"strings"
)

// A relay of before 0.2 has OpenDKIM sign in smtpd(8) and cleanup(8), as a milter. Later
// ones sign what leaves, in the transport. Processes with the former configuration and with
// the next one run side by side while it changes. So that no message meets neither of the
// two, there is a configuration in between, in which both sign.

// Milter reports whether a main.cf has a milter sign Postfix's own messages.
func Milter(main []byte) bool { return parameters(main)["non_smtpd_milters"] != "" }

// Between returns a main.cf that keeps all of the former one, but for what the next one says
// of the transport that mail leaves by.
func Between(former, next []byte) []byte {
	set := parameters(next)
	text := strings.Builder{}
	text.Write(former)
	text.WriteString("\n")
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if name == "default_transport" || strings.HasPrefix(name, "outward_") {
			text.WriteString(name + " = " + set[name] + "\n")
		}
	}
	return []byte(text.String())
}

// BetweenServices returns a master.cf that has all services of the former one, and those
// that only the next one has.
func BetweenServices(former, next []byte) []byte {
	name := func(service string) string {
		f := strings.Fields(service)
		return strings.Join(f[:min(len(f), 2)], " ")
	}
	old := logicalLines(former)
	text := strings.Builder{}
	text.Write(former)
	text.WriteString("\n")
	for _, service := range logicalLines(next) {
		if !slices.ContainsFunc(old, func(s string) bool { return name(s) == name(service) }) {
			text.WriteString(service + "\n")
		}
	}
	return []byte(text.String())
}
