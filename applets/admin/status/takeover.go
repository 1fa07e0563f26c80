package status

import "chatmaild/applets/admin/takeover"

// takeover says whether an import has been interrupted.
func (e *examiner) takeover() {
	journal, err := takeover.ReadJournal(e.machine.ReadFile)
	const hint = "chatmaild import goes on; chatmaild import --undo goes back"
	switch {
	case err != nil:
		e.say("import", trouble, "restore it from a backup", "%v", err)
	case journal == nil || journal.Next() == "" && !journal.Undoing:
		// None was begun, or it is done.
	case journal.Undoing:
		e.say("import", trouble, "chatmaild import --undo goes on", "the Python relay of %s is half back", journal.Domain)
	default:
		e.say("import", trouble, hint, "the takeover of %s was broken off before %q", journal.Domain, journal.Next())
	}
}
