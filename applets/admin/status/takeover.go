package status

import "chatmaild/applets/admin/takeover/journal"

// takeover says whether an import has been interrupted.
func (e *examiner) takeover() {
	j, err := journal.Read(e.machine.ReadFile)
	const hint = "chatmaild import resumes it; chatmaild import --undo reverts it"
	switch {
	case err != nil:
		e.say("import", trouble, "restore it from a backup", "%v", err)
	case j == nil || j.Next() == "" && !j.Undoing:
		// None was begun, or it is done.
	case j.Undoing:
		e.say("import", trouble, "chatmaild import --undo resumes", "the undo for the Python relay of %s was interrupted", j.Domain)
	default:
		e.say("import", trouble, hint, "the import of %s was interrupted before step %q", j.Domain, j.Next())
	}
}
