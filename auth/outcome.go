package auth

import "chatmaild/auth/mailaddr"

// Outcome says how a login or look-up went. Its text is stable: it names a
// counter.
type Outcome string

// The outcomes.
const (
	Verified    Outcome = "verified"   // against the stored hash
	Remembered  Outcome = "remembered" // was verified before
	HandedOn    Outcome = "handed on"  // Dovecot checks the stored hash
	Created     Outcome = "created"    // a first login
	Wrong       Outcome = "wrong"      // the password
	BlockedUser Outcome = "blocked"    // by an operator
	Damaged     Outcome = "damaged"    // no usable stored password
	Refused     Outcome = "refused"    // no account was made; see Reason
	Unknown     Outcome = "unknown"    // no such account, and none was asked for
	NotOurs     Outcome = "not ours"   // no address of this relay
)

// Outcomes lists all of them, for counters that start at zero.
func Outcomes() []Outcome {
	return []Outcome{Verified, Remembered, HandedOn, Created, Wrong, BlockedUser, Damaged, Refused, Unknown, NotOurs}
}

// Result is the answer to a login.
type Result struct {
	Outcome Outcome
	Address mailaddr.Address
	// Password is what Dovecot checks the client's password against. Empty: the
	// user does not exist.
	Password string
	Reason   Reason // of Refused
	Damage   error  // of Damaged
}
