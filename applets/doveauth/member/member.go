// Package member is what doveauth does on one of several machines: it knows which machine
// has whose mailbox, and which of them answer.
//
// A session is handed on once at most: what comes from another machine stays here, or is
// put off. So two machines whose copies of the directory differ for a moment do not hand
// it to and fro; neither do they with a message, which a machine accepts from another one
// only if the mailbox is here by its own copy.
package member

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/directory/home"
	"chatmaild/store/directory/move"
	"chatmaild/store/maildir"
)

// Faults that pass.
var (
	errMoving    = errors.New("the mailbox is being moved to another machine")
	errElsewhere = errors.New("the mailbox is on another machine")
	errHandedOn  = errors.New("the session comes from another machine, but the mailbox is not here")
	errSilent    = errors.New("the machine that has the mailbox does not answer")
	errUnopened  = errors.New("its user has not opened the mailbox yet")
)

// Machines is what is known of the relay's machines: roll.Roll.
type Machines interface {
	// Alive tells whether another machine answers.
	Alive(machine string) bool
	// Lost tells whether a machine is gone for good.
	Lost(machine string) bool
	// Place chooses a home.
	Place(address string) (string, error)
	// Admitted fails if this machine may not serve the mailboxes that it has.
	Admitted() error
}

// Member is this machine among several.
type Member struct {
	accounts *home.Accounts
	writer   directory.Writer
	domain   string
	members  []config.Member
	machines Machines
}

// New returns this machine.
func New(conf *config.Config, accounts *home.Accounts, writer directory.Writer, machines Machines) *Member {
	return &Member{accounts, writer, conf.AddressDomain(), config.Members(conf), machines}
}

// where returns the machine that has a mailbox, this one too. One whose home is lost gets
// another one.
func (m *Member) where(ctx context.Context, addr mailaddr.Address) (at config.Member, whose directory.Whose, err error) {
	a, err := m.accounts.Account(ctx, addr)
	if err != nil {
		return at, 0, err
	}
	a, err = move.Rescue(ctx, m.writer, addr, a, m.machines.Lost, func() (string, error) { return m.machines.Place(addr.String()) })
	if err != nil {
		return at, 0, fmt.Errorf("giving an account another home, since its machine is lost: %w", err)
	}
	whose = directory.WhoseIs(a, m.accounts.Here)
	if whose == directory.Moving {
		return at, whose, errMoving
	}
	if whose == directory.Ours {
		if err := m.machines.Admitted(); err != nil {
			return at, whose, err
		}
	}
	for _, at = range m.members {
		if at.Name == a.Home {
			return at, whose, m.open(addr, a, whose)
		}
	}
	return at, whose, fmt.Errorf("the mailbox is on a machine called %q, which [cluster] of %s does not name", a.Home, config.DefaultPath)
}

// A move takes a fraction of a second. A login waits for its end, for a while: an app that
// is refused comes again much later.
const (
	movingWait  = 5 * time.Second
	movingAgain = 50 * time.Millisecond
)

// settled is where, once the mailbox is not moving any more.
func (m *Member) settled(ctx context.Context, addr mailaddr.Address) (at config.Member, whose directory.Whose, err error) {
	waiting, cancel := context.WithTimeout(ctx, movingWait)
	defer cancel()
	for {
		at, whose, err = m.where(ctx, addr)
		if !errors.Is(err, errMoving) {
			return at, whose, err
		}
		select {
		case <-time.After(movingAgain):
		case <-waiting.Done():
			return at, whose, err
		}
	}
}

// open makes a mailbox that is here.
func (m *Member) open(addr mailaddr.Address, a auth.Account, whose directory.Whose) error {
	if whose != directory.Ours {
		return nil
	}
	return m.accounts.Open(addr, a)
}

// Session returns where the session of a user is to be handed on to, who has just logged
// in; the zero AddrPort if the mailbox is here. Via is who connected for the client.
func (m *Member) Session(ctx context.Context, user string, via netip.Addr) (netip.AddrPort, error) {
	addr, err := mailaddr.Parse(user, m.domain)
	if err != nil {
		return netip.AddrPort{}, err
	}
	at, whose, err := m.settled(ctx, addr)
	switch {
	case err != nil:
		return netip.AddrPort{}, err
	case whose == directory.Ours:
		return netip.AddrPort{}, nil
	case m.is(via):
		return netip.AddrPort{}, errHandedOn
	case !m.machines.Alive(at.Name):
		return netip.AddrPort{}, errSilent
	}
	return netip.AddrPortFrom(at.Addr, config.MemberIMAPPort), nil
}

// is reports whether an address is a machine's of the relay.
func (m *Member) is(addr netip.Addr) bool {
	for _, member := range m.members {
		if member.Addr == addr {
			return true
		}
	}
	return false
}

// Mailbox fails unless the mailbox of addr, which has an account, is here, and its user has opened
// it: mail waits for that. The empty mailbox that follows the one on a lost machine has another
// UIDVALIDITY, and when the Delta Chat core sees that, it begins with what comes then: it would
// never show what was in there already.
func (m *Member) Mailbox(ctx context.Context, addr mailaddr.Address) error {
	_, whose, err := m.where(ctx, addr)
	if err != nil {
		return err
	}
	if whose != directory.Ours {
		return errElsewhere
	}
	opened, err := maildir.Opened(m.accounts.Mailboxes.Home(addr))
	if err == nil && !opened {
		err = errUnopened
	}
	return err
}
