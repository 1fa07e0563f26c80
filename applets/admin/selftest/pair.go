package selftest

import (
	"context"
	"errors"
	"fmt"

	"chatmaild/applets/admin/remote"
)

// pairChecks need a second relay: two relays refuse each other for reasons that one
// alone does not show.
func pairChecks() []Check {
	const (
		there  = "postqueue -p, on the relay, shows the other one's reply; if that is about DKIM: chatmaild dns"
		back   = "postqueue -p, on the other relay, shows this one's reply; so does journalctl -u chatmaild-filtermail-in here"
		meet   = "delivery works, but not for SecureJoin messages: what does filtermail-out refuse? journalctl -u 'chatmaild-filtermail-*' -n 50"
		second = "chatmaild test OTHER shows what is wrong with it"
	)
	return []Check{
		{"other", Relays, nil, Paired, "the other relay creates an account, too", second, other},
		{"to-other", Relays, []string{"login-465", "other"}, Paired, "an encrypted message arrives at the other relay", there, toOther},
		{"from-other", Relays, []string{"login-993", "other"}, Paired, "an encrypted message from there arrives", back, fromOther},
		{"securejoin-here", Relays, []string{"delivery", "to-other", "from-other"}, Paired, "a user there follows the invite link of a user here", meet, secureJoinHere},
		{"securejoin-there", Relays, []string{"delivery", "to-other", "from-other"}, Paired, "a user here follows the invite link of a user there", meet, secureJoinThere},
	}
}

// other makes Carol.
func other(ctx context.Context, s *session) (string, error) {
	a, err := s.signUp(ctx, s.other)
	if err != nil {
		return "", err
	}
	d, err := s.other.IMAP(ctx, remote.IMAPS, a)
	if err != nil {
		return "", err
	}
	s.carol, err = s.newUser(a)
	return "an unknown login created an account", errors.Join(err, d.Close())
}

// toOther sends from here to there.
func toOther(ctx context.Context, s *session) (string, error) {
	return s.across(ctx, s.relay, s.alice, s.other, s.carol)
}

// fromOther sends from there to here.
func fromOther(ctx context.Context, s *session) (string, error) {
	return s.across(ctx, s.other, s.carol, s.relay, s.alice)
}

// across sends a message from one relay to another and waits for it there.
func (s *session) across(ctx context.Context, r *remote.Relay, from user, at *remote.Relay, to user) (string, error) {
	letter, err := s.letter(from, to)
	if err != nil {
		return "", err
	}
	got, err := s.carry(ctx, r, from, letter, at, to)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("after %d ms", got.took.Milliseconds()), nil
}
