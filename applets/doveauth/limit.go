package doveauth

import (
	"net/netip"

	"chatmaild/applets/config"
	"chatmaild/applets/sharedlimit"
	"chatmaild/auth"
)

// shared is the limit on new accounts over all machines of a relay. One of them counts all,
// since it is one limit of the relay, beside that of each client network.
type shared struct{ *sharedlimit.Limit }

var _ auth.Limiter = shared{}

// allAccounts is what chooses the machine that counts.
const allAccounts = "new accounts"

// newShared returns the limit of this machine, by whose rates it counts here.
func newShared(conf *config.Config, own auth.Limiter) shared {
	return shared{sharedlimit.New(conf, config.MemberSignupPort, func(client string) (bool, string) {
		addr, _ := netip.ParseAddr(client) // else it is unknown
		reason := own.Take(addr)
		return reason == auth.NotRefused, string(reason)
	})}
}

// Take implements auth.Limiter.
func (s shared) Take(client netip.Addr) auth.Reason {
	ok, reason := s.Limit.Take(allAccounts, client.String())
	switch {
	case ok:
		return auth.NotRefused
	case auth.Reason(reason) == auth.NetworkRate:
		return auth.NetworkRate
	}
	return auth.RelayRate // whatever another version says
}
