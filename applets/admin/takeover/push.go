package takeover

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/takeover/journal"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/config"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
	"chatmaild/store/safefs"
	"chatmaild/store/tokens"
)

const (
	// notifyTimeout bounds handing on what waits.
	notifyTimeout = time.Minute

	// giveChunk is how many waiting notifications are given back at once.
	giveChunk = 1000
)

// pushes are the notifications and tokens, which the relays keep differently.
type pushes struct{ *importer }

// notifyWaiting hands the notifications that the old relay had not sent yet to the
// metadata daemon, which then owes them to the accounts' devices.
func (im pushes) notifyWaiting(ctx context.Context) error {
	dir := path.Join(im.conf.MailboxesDir, pythonrelay.Pending)
	names, err := im.machine.Names(dir)
	if err != nil || len(names) == 0 {
		return err
	}
	// The daemon is asked as Dovecot's push driver asks it, over its socket: the database is
	// its own.
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	metadata, err := dict.Dial(ctx, path.Join(im.machine.Root, im.conf.Socket("metadata")))
	if err != nil {
		return err
	}
	defer metadata.Close()
	// The old queue has an entry for each device, ours a notification for each account: the
	// daemon knows the account's tokens.
	told := map[string]bool{}
	for _, name := range names {
		text, err := im.machine.ReadFile(path.Join(dir, name))
		if err != nil {
			return err
		}
		// The old relay, too, drops what it cannot read and what is too old.
		n, err := pythonrelay.DecodeNotification(text)
		if err == nil && n.Waits(im.now) && !told[n.Account] {
			told[n.Account] = true
			if err := metadata.Commit(ctx, n.Account, []dict.Change{{Key: "priv/import/messagenew"}}); err != nil {
				return fmt.Errorf("passing a pending notification on: %w", err)
			}
		}
		// After the daemon has it: if this is interrupted in between, a phone wakes once too often,
		// and never once too little.
		if err := im.machine.Move(path.Join(dir, name), path.Join(importMoved, pythonrelay.Pending, name)); err != nil {
			return err
		}
	}
	im.say("notify the devices of %d accounts with pending notifications", len(told))
	return nil
}

// giveBackPush writes push tokens and waiting notifications where the Python relay
// looks for them. Its daemon and ours are down meanwhile.
func (im pushes) giveBackPush(context.Context) error {
	if !im.reached(journal.StepRun) {
		return nil // there was no relay of ours yet
	}
	conf, err := config.Load(path.Join(im.machine.Root, config.DefaultPath))
	if err != nil {
		im.say("%v: push tokens that are new since the import return when their clients connect", err)
		return nil
	}
	there, err := im.machine.Exists(conf.MetadataDB())
	if err != nil || !there {
		return err
	}
	// Database and mailboxes belong to the same user.
	err = safefs.As(path.Join(im.machine.Root, conf.MetadataDir()), func() error {
		boxes := tokens.MailDir(path.Join(im.machine.Root, conf.MailboxesDir))
		db, err := tokens.Open(path.Join(im.machine.Root, conf.MetadataDB()), tokens.Options{
			Mailboxes: boxes, Now: time.Now, Log: im.env.Log(),
		})
		if err != nil {
			return err
		}
		return errors.Join(im.giveTokens(db, boxes, conf), im.giveNotifications(db, conf), db.Close())
	})
	if err != nil {
		return fmt.Errorf("restoring push tokens: %w", err)
	}
	return nil
}

// giveTokens writes a metadata.json for each account whose tokens are others now.
func (im pushes) giveTokens(db *tokens.DB, boxes tokens.MailDir, conf *config.Config) error {
	count := 0
	err := db.Each(func(account string, tokens []push.Token) error {
		if there, err := boxes.Exists(account); err != nil || !there {
			return err
		}
		text, err := boxes.Legacy(account)
		if err != nil {
			return err
		}
		if text != nil {
			if old, err := push.DecodeLegacy(text, im.now); err == nil && sameTokens(old, tokens) {
				return nil
			}
		} else if len(tokens) == 0 {
			return nil
		}
		if text, err = pythonrelay.EncodeTokens(tokens); err != nil {
			return err
		}
		count++
		return im.machine.Write(desired.File{
			Path: path.Join(conf.MailboxesDir, account, "metadata.json"), Content: text, Mode: 0o600, Owner: "vmail", Group: "vmail",
		})
	})
	if count > 0 {
		im.say("restore the push tokens of %d accounts", count)
	}
	return err
}

// sameTokens leaves out when they were last seen: that is days either way.
func sameTokens(a, b []push.Token) bool {
	texts := map[string]bool{}
	for _, t := range a {
		texts[t.Text] = true
	}
	for _, t := range b {
		if !texts[t.Text] {
			return false
		}
	}
	return len(a) == len(b)
}

// giveNotifications rebuilds the old relay's queue from ours.
func (im pushes) giveNotifications(db *tokens.DB, conf *config.Config) error {
	dir := path.Join(conf.MailboxesDir, pythonrelay.Pending)
	for {
		// No try is planned for later than that, so this takes all that there are.
		entries, _, err := db.TakeDue(im.now.Add(push.MaxRetryAge), giveChunk)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			if e.Text == "" {
				continue // its token is gone
			}
			n := pythonrelay.Notification{Account: e.Account, Since: e.First, Token: e.Text}
			// Any unique name will do; notifier.py reads every file.
			name := fmt.Sprintf("%016x%016x", uint64(e.Due), e.Key.Token)
			if err := im.machine.Write(desired.File{
				Path: path.Join(dir, name), Content: n.Encode(), Mode: 0o600, Owner: "vmail", Group: "vmail",
			}); err != nil {
				return err
			}
		}
	}
}
