package directory

import "chatmaild/auth"

// Whose says what a machine does with a mailbox, by what its own copy of the directory
// says. Only what is Ours is ever opened or made here.
type Whose int

// The answers.
const (
	Ours      Whose = iota // it is at home here
	Elsewhere              // its sessions and its mail go to another machine
	Moving                 // nobody opens it: a temporary failure
)

// WhoseIs tells for a machine of that name.
func WhoseIs(a auth.Account, here string) Whose {
	switch {
	case a.MovingTo != "":
		return Moving
	case a.Home != here:
		return Elsewhere
	}
	return Ours
}
