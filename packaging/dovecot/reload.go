package dovecot

import (
	"slices"
	"strings"
)

// Reloads reports whether a reload brings a Dovecot from one dovecot.conf to another: nothing
// differs but which other machines the relay has. It ends no session, and refuses nobody; a
// restart does both.
func Reloads(former, next []byte) bool {
	return len(former) > 0 && slices.Equal(besidesMachines(former), besidesMachines(next))
}

// besidesMachines are the lines of a dovecot.conf that do not say which machines there are.
func besidesMachines(text []byte) (lines []string) {
	remote := false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "remote "):
			remote = true
		case remote:
			remote = !strings.HasPrefix(line, "}")
		case !strings.HasPrefix(line, "login_trusted_networks ="):
			lines = append(lines, line)
		}
	}
	return lines
}
