package admin

import (
	"context"
	"strings"

	"chatmaild/applets/admin/takeover"
)

// addNotes tells what is not taken over, and what stays of the old relay.
func (im *importer) addNotes(ctx context.Context) {
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
	if im.machine.IsFile(takeover.DovecotPin) {
		im.note("Dovecot", "it stays the build of the Python relay, which %s keeps from Debian's security updates; "+
			"without that file, \"apt install --allow-downgrades dovecot-core/stable dovecot-imapd/stable dovecot-lmtpd/stable\" brings Debian's", takeover.DovecotPin)
	}
	var names []string
	for _, u := range takeover.Staying {
		names = append(names, u.Name)
	}
	units, err := im.machine.Units(ctx, names...)
	if err != nil {
		return // it is only a note
	}
	for i, u := range units {
		if u.Load == "loaded" && u.Active == "active" {
			im.note(strings.TrimSuffix(names[i], ".service"), "goes on as it is: %s", takeover.Staying[i].Job)
		}
	}
}

// takeover says whether an import has been broken off.
func (e *examiner) takeover() {
	im := importer{machine: e.machine}
	const hint = "chatmaild import goes on; chatmaild import --undo goes back"
	switch err := im.readJournal(); {
	case err != nil:
		e.say("import", trouble, "restore it from a backup", "%v", err)
	case im.journal == nil || im.journal.Next() == "" && !im.journal.Undoing:
		// None was begun, or it is done.
	case im.journal.Undoing:
		e.say("import", trouble, "chatmaild import --undo goes on", "the Python relay of %s is half back", im.journal.Domain)
	default:
		e.say("import", trouble, hint, "the takeover of %s was broken off before %q", im.journal.Domain, im.journal.Next())
	}
}
