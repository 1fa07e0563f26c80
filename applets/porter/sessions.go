package porter

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"chatmaild/auth/mailaddr"
)

// sessions are those that are open in the Dovecot of this machine.
type sessions interface {
	end(ctx context.Context, addr mailaddr.Address) error
}

// dovecot is the Dovecot of this machine.
type dovecot struct{}

// notFound is the exit status with which doveadm says that there was no session
// (EX_NOUSER of sysexits.h).
const notFound = 68

// kickTimeout is how long doveadm may take.
const kickTimeout = 10 * time.Second

// end has Dovecot end the sessions of addr. Those that hibernate are ended by Dovecot 2.4
// alone; with 2.3 they end when they are woken, since the mailbox is not there any more.
func (dovecot) end(ctx context.Context, addr mailaddr.Address) error {
	ctx, cancel := context.WithTimeout(ctx, kickTimeout)
	defer cancel()
	err := exec.CommandContext(ctx, "doveadm", "kick", addr.String()).Run()
	if status, ok := errors.AsType[*exec.ExitError](err); ok && status.ExitCode() == notFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("doveadm kick: %w", err) // what it says names the user
	}
	return nil
}
