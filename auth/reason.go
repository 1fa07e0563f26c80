package auth

// Reason says why an account was not made. Its text is short and stable: it names
// a counter and stands in the log.
type Reason string

// The reasons.
const (
	NotRefused         Reason = ""
	RegistrationClosed Reason = "registration is closed"
	NotInvited         Reason = "no invite"
	NoCreate           Reason = "the nocreate file exists"
	LoadTooHigh        Reason = "the load is too high"
	MemoryTooLow       Reason = "too little memory"
	DiskTooFull        Reason = "too little disk space"
	RelayRate          Reason = "too many new accounts in a minute"
	NetworkRate        Reason = "too many new accounts from a network"
	NameLength         Reason = "the name's length"
	NameReserved       Reason = "a reserved name"
	PasswordTooShort   Reason = "the password is too short"
	PasswordTooLong    Reason = "the password is longer than bcrypt's 72 bytes"
	PasswordLength     Reason = "the password's length is not accepted"
)

// Reasons lists all of them, for counters that start at zero.
func Reasons() []Reason {
	return []Reason{
		RegistrationClosed, NotInvited, NoCreate, LoadTooHigh, MemoryTooLow, DiskTooFull, RelayRate,
		NetworkRate, NameLength, NameReserved, PasswordTooShort, PasswordTooLong, PasswordLength,
	}
}

// Temporary reports whether the same login may make an account later, by no change of
// the operator's mind.
func (r Reason) Temporary() bool {
	switch r {
	case LoadTooHigh, MemoryTooLow, DiskTooFull, RelayRate, NetworkRate:
		return true
	}
	return false
}

// Message is the reason in words for the person who wanted an account.
func (r Reason) Message() string {
	switch r {
	case RegistrationClosed, NoCreate:
		return "This server does not accept new accounts at the moment."
	case NotInvited:
		return "This server accepts new accounts by invitation only. The invitation is missing, used up or expired."
	case LoadTooHigh, MemoryTooLow, DiskTooFull:
		return "This server is too busy to take new accounts. Please try again later."
	case RelayRate:
		return "There were too many new accounts. Please try again in a few minutes."
	case NetworkRate:
		return "Too many new accounts were created from this network. Please try again later, or from another network."
	case NameLength, NameReserved:
		return "This name is not available."
	case PasswordTooShort, PasswordTooLong, PasswordLength:
		return "This server does not accept a password of this length."
	}
	return "The account could not be created."
}
