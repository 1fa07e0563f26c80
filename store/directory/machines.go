package directory

// Standing is what a machine is to the relay, by the operator's word.
type Standing string

// The standings. From lost none leads back: a machine whose accounts others have taken over
// may join under another name.
const (
	Open     Standing = "open"     // it gets new accounts
	Draining Standing = "draining" // its accounts are moved to others, and it gets none
	Lost     Standing = "lost"     // it is gone for good; its accounts get other homes
)

// Machine is a machine as the directory has it.
type Machine struct {
	Name     string
	Standing Standing
	// Store is the id of the mailboxes that the machine has registered; "": none yet. A
	// machine that has others under this name has lost those.
	Store string
	// Room is for how many accounts it has room, as it says itself; 0: not known.
	Room int64
}
