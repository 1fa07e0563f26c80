package takeover

import (
	"context"
	"errors"
	"path"
	"slices"

	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/maildir"
	"chatmaild/store/safefs"
)

// blocks are the accounts that the old relay's operator has blocked, each relay in its
// own way.
type blocks struct{ *importer }

// take blocks them as "chatmaild user block" does. They are noted before that, and mail is
// off meanwhile.
func (im blocks) take(context.Context) error {
	names := im.accounts.toBlock
	if len(names) == 0 {
		return nil
	}
	im.say("block %d accounts, as they were", len(names))
	// What an undo takes back is what the journal says, and no more: an account that its
	// operator blocks after the takeover stays blocked.
	if im.journal != nil {
		for _, name := range names {
			if !slices.Contains(im.journal.Blocked, name) {
				im.journal.Blocked = append(im.journal.Blocked, name)
			}
		}
		if err := im.writeJournal(); err != nil {
			return err
		}
	}
	return im.edit(im.conf, names, auth.Block)
}

// giveBack takes our block away again, under which the old relay has what it had.
func (im blocks) giveBack(context.Context) error {
	names := im.journal.Blocked
	name := path.Join(im.machine.Root, config.DefaultPath)
	there, err := im.machine.Exists(config.DefaultPath)
	if err != nil || !there || len(names) == 0 {
		return err // without a configuration, an earlier try has come further
	}
	conf, err := config.Load(name)
	if err != nil {
		im.say("%v: %d accounts that were blocked before the import keep our block, too: an exclamation mark at the start of their password files", err, len(names))
		return nil
	}
	return im.edit(conf, names, auth.Unblock)
}

// edit changes stored passwords, with the rights of the mailboxes' owner. A mailbox that
// has gone, or its password, is left out.
func (im blocks) edit(conf *config.Config, names []string, change func(string) string) error {
	dir := path.Join(im.machine.Root, conf.MailboxesDir)
	boxes := maildir.New(dir, conf.AddressDomain())
	return safefs.As(dir, func() error {
		for _, name := range names {
			addr, err := mailaddr.Parse(name, conf.AddressDomain())
			if err != nil {
				continue // nobody can log in by that name
			}
			stored, err := boxes.Password(addr)
			if errors.Is(err, auth.ErrNoMailbox) || errors.Is(err, auth.ErrNoPassword) {
				continue
			}
			if err != nil {
				return err
			}
			if changed := change(stored); changed != stored {
				if err := boxes.SetPassword(addr, changed, im.now); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
