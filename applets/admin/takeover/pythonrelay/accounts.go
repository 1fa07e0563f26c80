package pythonrelay

import (
	"errors"

	"chatmaild/auth"
)

// DisabledFile is in a mailbox whose account the operator has disabled: filtermail, since
// 2026-04 and as an experiment, then drops what the account sends and gets.
const DisabledFile = "DISABLED"

// EditedPassword reports whether an operator has edited a stored password so that no
// password matches: so, its documentation says, one blocks a user. A good hash of a scheme
// that we do not support is none, nor is an empty file, which the next login there fills.
func EditedPassword(stored string) bool {
	err := auth.CheckStored(stored)
	return stored != "" && err != nil && !errors.Is(err, auth.ErrScheme)
}
