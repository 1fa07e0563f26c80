package status

import (
	"errors"

	"chatmaild/applets/admin/relocation"
	"chatmaild/applets/command"
)

// settled tells of a relay that is here in part only, or has moved away.
func (e *examiner) settled() {
	err := relocation.RequireSettled(e.conf, e.machine)
	var hint *command.HintError
	switch {
	// The error's own hint becomes the finding's, which stands in a place of its own.
	case errors.As(err, &hint):
		e.say("restore or move", trouble, hint.Hint, "%v", err)
	case err != nil:
		e.say("restore or move", trouble, "", "%v", err)
	}
}
