package auth

import "chatmaild/auth/mailaddr"

// Outcome says how a login or look-up went. Its text is stable: it names a
// counter.
type Outcome string

// The outcomes.
const (
	Verified    Outcome = "verified"   // against the stored hash
	Remembered  Outcome = "remembered" // was verified before
	Created     Outcome = "created"    // a first login
	Wrong       Outcome = "wrong"      // the password
	BlockedUser Outcome = "blocked"    // by an operator
	Damaged     Outcome = "damaged"    // no usable stored password
	Refused     Outcome = "refused"    // no account was made; see Reason
	NotOurs     Outcome = "not ours"   // no address of this relay
)

// Outcomes lists all of them, for counters that start at zero.
func Outcomes() []Outcome {
	return []Outcome{Verified, Remembered, Created, Wrong, BlockedUser, Damaged, Refused, NotOurs}
}

// Result is the answer to a login.
type Result struct {
	Outcome Outcome
	Address mailaddr.Address
	Reason  Reason // of Refused
	Damage  error  // of Damaged
}

// OK reports whether the user may log in.
func (r Result) OK() bool {
	return r.Outcome == Verified || r.Outcome == Remembered || r.Outcome == Created
}
