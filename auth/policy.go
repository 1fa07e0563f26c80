package auth

import (
	"slices"
	"time"

	"chatmaild/auth/mailaddr"
)

// Registration says whose first login creates an account.
type Registration string

// The values of the key "registration".
const (
	Open   Registration = "open"   // everybody's
	Invite Registration = "invite" // that of who got address and password for an invite token
	Closed Registration = "closed" // nobody's
)

// Bounds of a Policy.
const (
	MaxPassword = 72 // bytes; bcrypt reads no more
	MinCost     = 4  // of bcrypt
	MaxCost     = 14 // about a second and a half; more stops the machine
)

// Policy is what an operator decides about new accounts. It may be exchanged for
// another one at any time.
type Policy struct {
	Registration Registration

	MinLocal, MaxLocal     int   // bytes before the "@"
	MinPassword            int   // bytes
	RefusedPasswordLengths []int // bytes
	Reserved               []string

	PerMinute         int // new accounts of the relay
	PerNetworkPerHour int // and of one client network: /24, /64
	PerNetworkPerDay  int // the same; the day begins with the network's first account

	MaxLoad   float64 // load average of one minute
	MinMemory int64   // bytes available
	MinDisk   int64   // bytes free where the mailboxes are

	Cost     int    // of bcrypt
	GrantKey []byte // see Grant; without it no invited login is recognized
}

// Machine tells how the machine is doing.
type Machine interface {
	State() (State, error)
}

// State is what decides whether the machine has room for another account.
type State struct {
	Load      float64 // average of one minute
	Memory    int64   // bytes available
	Disk      int64   // bytes free where the mailboxes are
	Forbidden bool    // the nocreate file exists
}

// reserved are the names that RFC 2142 and every mail server give a meaning to.
// The owner of one speaks for the relay.
func reserved(local string) bool {
	switch local {
	case "postmaster", "abuse", "mailer-daemon", "root", "echo",
		"hostmaster", "webmaster", "admin", "administrator", "security", "noc", "support",
		"noreply", "no-reply", "nobody", "vmail", "dovecot", "postfix", "opendkim":
		return true
	}
	return false
}

// Accepts says whether the machine and the policy have room for a new account,
// no matter whose it is; NotRefused if so.
func (p *Policy) Accepts(s State) Reason {
	switch {
	case p.Registration == Closed:
		return RegistrationClosed
	case s.Forbidden:
		return NoCreate
	case s.Load > p.MaxLoad:
		return LoadTooHigh
	case s.Memory < p.MinMemory:
		return MemoryTooLow
	case s.Disk < p.MinDisk:
		return DiskTooFull
	}
	return NotRefused
}

// permits says whether addr may become an account with this password.
func (p *Policy) permits(addr mailaddr.Address, password string, now time.Time) Reason {
	switch local := addr.Local(); {
	case len(local) < p.MinLocal || len(local) > p.MaxLocal:
		return NameLength
	case reserved(local) || slices.Contains(p.Reserved, local):
		return NameReserved
	case len(password) < p.MinPassword:
		return PasswordTooShort
	case len(password) > MaxPassword:
		return PasswordTooLong
	case p.Registration == Invite && !granted(p.GrantKey, addr, password, now):
		return NotInvited
	case p.Registration != Invite && slices.Contains(p.RefusedPasswordLengths, len(password)):
		return PasswordLength // which tells automatic clients; an invited one is none
	}
	return NotRefused
}
