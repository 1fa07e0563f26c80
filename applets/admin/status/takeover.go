package status

import "chatmaild/applets/admin/takeover/journal"

// takeover says whether an import has been interrupted.
func (e *examiner) takeover() {
	j, err := journal.Read(e.machine.ReadFile)
	const hint = "chatmaild import goes on; chatmaild import --undo goes back"
	switch {
	case err != nil:
		e.say("import", trouble, "restore it from a backup", "%v", err)
	case j == nil || j.Next() == "" && !j.Undoing:
		// None was begun, or it is done.
	case j.Undoing:
		e.say("import", trouble, "chatmaild import --undo goes on", "the Python relay of %s is half back", j.Domain)
	default:
		e.say("import", trouble, hint, "the takeover of %s was broken off before %q", j.Domain, j.Next())
	}
}
