package user

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"chatmaild/applets/command"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
	"chatmaild/store/maildir"
)

// state is what list tells about each account.
type state struct {
	Address   string `json:"address"`
	LastLogin string `json:"last_login"`        // a day; "": it is noted on another machine
	State     string `json:"state"`             // "ok", "blocked" or "damaged"
	Machine   string `json:"machine,omitempty"` // of several: the one that has the mailbox
}

// list prints all accounts, in order. An account that goes meanwhile is left out.
func (u *users) list(ctx context.Context) error {
	all := []state{}
	err := u.accounts.Each(ctx, func(addr mailaddr.Address) error {
		state, err := u.state(ctx, addr)
		if errors.Is(err, auth.ErrNoMailbox) || errors.Is(err, auth.ErrNoPassword) {
			return nil
		}
		all = append(all, state)
		return err
	})
	if err != nil {
		return explain(err)
	}
	// Directories have no order; sorted, two lists can be compared.
	slices.SortFunc(all, func(a, b state) int { return strings.Compare(a.Address, b.Address) })
	if u.json {
		return u.print(all)
	}
	table := command.NewTable(u.env.Stdout)
	head, line := "ADDRESS\tLAST LOGIN\tSTATE", func(s state) string { return s.Address + "\t" + s.LastLogin + "\t" + s.State }
	if u.here != "" {
		head, line = head+"\tMACHINE", func(s state) string { return s.Address + "\t" + s.LastLogin + "\t" + s.State + "\t" + s.Machine }
	}
	fmt.Fprintln(table, head)
	for _, s := range all {
		fmt.Fprintln(table, line(s))
	}
	return table.Flush()
}

// state reads what list shows of an account: two small files, and no message.
func (u *users) state(ctx context.Context, addr mailaddr.Address) (state, error) {
	s := state{Address: addr.String(), State: "ok"}
	last, err := u.mailboxes.LastLogin(addr)
	switch {
	case err == nil:
		s.LastLogin = last.Format(time.DateOnly)
	case u.here == "" || !errors.Is(err, auth.ErrNoMailbox):
		return s, err
	}
	a, err := u.accounts.Account(ctx, addr)
	s.Machine = a.Home
	switch {
	case errors.Is(err, syscall.ELOOP): // a link in the place of the password
		s.State = "damaged"
	case err != nil:
		return s, err
	case auth.IsBlocked(a.Stored):
		s.State = "blocked"
	case auth.CheckStored(a.Stored) != nil:
		s.State = "damaged"
	}
	return s, nil
}

// details is what show tells about an account.
type details struct {
	state
	Scheme   string `json:"scheme"` // of the stored password
	Home     string `json:"home"`
	Messages int    `json:"messages"`
	Size     int64  `json:"size"` // bytes on disk, of everything
	// EncryptedOnly is whether cleartext from outside is refused.
	EncryptedOnly bool `json:"encrypted_only"`
}

func (d details) String() string {
	return fmt.Sprintf("%s\n  state           %s\n  last login      %s\n  password        %s\n  encrypted only  %t\n  messages        %d\n  on disk         %d bytes\n  home            %s",
		d.Address, d.State, d.LastLogin, d.Scheme, d.EncryptedOnly, d.Messages, d.Size, d.Home)
}

// show reads everything about one account, with the rights of the mailboxes' owner.
func (u *users) show(ctx context.Context, addr mailaddr.Address) (d any, err error) {
	err = u.asOwner(func() error {
		d, err = u.details(ctx, addr)
		return err
	})
	return d, err
}

// details walks the whole mailbox, which takes a moment for a large one.
func (u *users) details(ctx context.Context, addr mailaddr.Address) (any, error) {
	state, err := u.state(ctx, addr)
	if err != nil {
		return nil, err
	}
	d := details{state: state, Home: u.mailboxes.Home(addr)}
	a, err := u.accounts.Account(ctx, addr)
	if err != nil {
		return nil, err
	}
	d.Scheme, d.EncryptedOnly = auth.Scheme(a.Stored), a.EncryptedOnly
	if d.LastLogin == "" { // the mailbox is not here, or has never been used
		d.Home = "on machine " + a.Home
		return d, nil
	}
	usage, err := maildir.UsageOf(ctx, d.Home)
	if err != nil {
		return nil, err
	}
	d.Messages, d.Size = usage.Messages, usage.Size
	return d, nil
}

// forgetTokens has the metadata daemon, which alone may, forget the user's push
// tokens, and with them the notifications that wait.
func (u *users) forgetTokens(ctx context.Context, addr mailaddr.Address) error {
	client, err := dict.Dial(ctx, u.cfg.Socket("metadata"))
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Commit(ctx, addr.String(), []dict.Change{{Key: push.TokensKey, Unset: true}})
}
