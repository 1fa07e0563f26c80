package command

import (
	"regexp"
	"strings"

	"chatmaild/applets/supervise/control"
)

// Hint is a hint as it holds on this machine: one that names systemd's commands says what
// does the same under "chatmaild supervise".
func Hint(text string) string {
	if !control.Present(control.Socket) {
		return text
	}
	return withoutSystemd(text)
}

var (
	journalctl = regexp.MustCompile(`journalctl(?: -[utnp] (?:'[^']*'|[A-Za-z0-9@*.-]+))+`)
	unitFlag   = regexp.MustCompile(` -[ut] '?([A-Za-z0-9@*.-]+)`)
	systemctl  = regexp.MustCompile(`systemctl (status(?: [A-Za-z0-9@.-]+)?|(?:start|stop|restart|reload) )`)
)

// withoutSystemd replaces journalctl by the log that the container's runtime keeps, where
// each line has the unit in front, and systemctl by what there is in its place.
func withoutSystemd(text string) string {
	text = journalctl.ReplaceAllStringFunc(text, func(command string) string {
		var lines []string
		for _, unit := range unitFlag.FindAllStringSubmatch(command, -1) {
			name := strings.TrimSuffix(strings.TrimPrefix(unit[1], "chatmaild-"), ".service")
			if name == "maillog" {
				name = "log" // what it passes on
			}
			lines = append(lines, `"`+name+`:"`)
		}
		return "lines with " + strings.Join(lines, " or ") + " in the container's log"
	})
	return systemctl.ReplaceAllStringFunc(text, func(command string) string {
		if strings.HasPrefix(command, "systemctl status") {
			return "chatmaild status"
		}
		return strings.Replace(command, "systemctl", "chatmaild supervise", 1)
	})
}
