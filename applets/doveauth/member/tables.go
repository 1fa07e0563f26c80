package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/postfix/socketmap"
	"chatmaild/store/directory"
)

// Names of the tables.
const (
	homes = "homes" // transport(5): where mail for a mailbox goes; nothing: to Dovecot, here
	here  = "here"  // access(5), for what comes from another machine
)

// Tables are what Postfix asks.
type Tables struct {
	*Member
	Log *slog.Logger
}

var _ socketmap.Handler = Tables{}

// notHere has the other machine try again. Its copy of the directory will know then.
const notHere = "450 4.3.0 The mailbox is on another machine"

// errAway is all that Postfix learns, and logs.
var errAway = errors.New("the directory of accounts is not available")

// Lookup implements socketmap.Handler. Postfix also asks for a domain alone, and for parts
// of it; only an address of ours is in a table.
func (t Tables) Lookup(ctx context.Context, table, key string) (value string, found bool, err error) {
	if table != homes && table != here {
		return "", false, errors.New("no such table")
	}
	addr, err := mailaddr.Parse(key, t.domain)
	if err != nil {
		return "", false, nil
	}
	at, whose, err := t.where(ctx, addr)
	switch {
	case errors.Is(err, auth.ErrNoMailbox): // by the writer's word; Dovecot says it to the sender
		return "", false, nil
	case err != nil:
		t.Log.Warn("cannot tell Postfix where a mailbox is", "error", err)
		return "", false, errAway
	case whose == directory.Ours:
		return "", false, nil
	case table == here:
		return notHere, true, nil
	}
	return fmt.Sprintf("home:[%s]:%d", at.Addr, config.MemberSMTPPort), true, nil
}
