package takeover

import (
	"context"
	"strings"

	"chatmaild/applets/admin/takeover/pythonrelay"
)

// addNotes tells what is not taken over, and what stays of the old relay.
func (im display) addNotes(ctx context.Context) {
	im.noteEchobot()
	if im.from != "" {
		im.note("queue", "mail queued in the old machine's Postfix is not taken over: let it deliver that before you turn it off (postqueue -f)")
		im.note("notifications", "pending ones are not taken over from a copy: devices are notified of the next message")
		return
	}
	if text, err := im.machine.ReadFile("/etc/passwd"); err == nil && strings.Contains(string(text), "\n"+pythonrelay.User+":") {
		im.note("user "+pythonrelay.User, "stays, and runs nothing: another user could get its number, and with that what it still owns")
	}
	if im.machine.IsFile(pythonrelay.DovecotPin) {
		im.note("Dovecot", "it stays the build of the Python relay; %s keeps it from Debian's security updates; "+
			"to get Debian's, remove that file, then \"apt update; apt install --allow-downgrades dovecot-core/stable dovecot-imapd/stable dovecot-lmtpd/stable\", and its configuration follows; an undo needs the old build again", pythonrelay.DovecotPin)
	}
	var names []string
	for _, u := range pythonrelay.Staying {
		names = append(names, u.Name)
	}
	units, err := im.machine.Systemd().Units(ctx, names...)
	if err != nil {
		return // it is only a note
	}
	for i, u := range units {
		if u.Load == "loaded" && u.Active == "active" {
			im.note(strings.TrimSuffix(names[i], ".service"), "stays as it is: %s", pythonrelay.Staying[i].Job)
		}
	}
}
