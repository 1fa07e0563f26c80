package takeover

import (
	"context"
	"strings"

	"chatmaild/applets/admin/takeover/pythonrelay"
)

// addNotes tells what is not taken over, and what stays of the old relay.
func (im display) addNotes(ctx context.Context) {
	keys := map[string]bool{}
	for _, s := range im.conversion.Settings {
		keys[s.Param.Key] = true
	}
	if !keys["iroh_relay"] {
		im.note("iroh relay", "https://%s was one, and clients are told of it no more: theirs by default is used; iroh_relay names another", im.conf.MailDomain)
	}
	im.note("calls", "chatmaild has no TURN server: clients use the public ones")
	im.noteEchobot()
	if im.from != "" {
		im.note("queue", "messages that wait in the old machine's Postfix are not taken: let it deliver them before it goes (postqueue -f)")
		im.note("notifications", "those that wait are not taken from a copy: devices hear of the next message")
		return
	}
	if im.machine.IsFile(pythonrelay.DovecotPin) {
		im.note("Dovecot", "it stays the build of the Python relay, which %s keeps from Debian's security updates; "+
			"without that file, \"apt install --allow-downgrades dovecot-core/stable dovecot-imapd/stable dovecot-lmtpd/stable\" brings Debian's", pythonrelay.DovecotPin)
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
			im.note(strings.TrimSuffix(names[i], ".service"), "goes on as it is: %s", pythonrelay.Staying[i].Job)
		}
	}
}
