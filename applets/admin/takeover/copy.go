package takeover

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync"

	"chatmaild/applets/admin/converge"
	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/admin/transfer"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/store/nocreate"
)

// copyWorkers is how many mailboxes are copied at once: the disks' seeks overlap.
const copyWorkers = 4

// copying takes over a relay from a copy of its files.
type copying struct{ *importer }

// run takes over a relay from a copy of its files. No unit is touched: chatmaild
// run makes this machine the relay, once the old one is off. If it is interrupted, it continues
// where it was; a mailbox is there as a whole or not at all.
func (im copying) run(ctx context.Context) error {
	if im.dryRun {
		display(im).showSettings(im.env.Stdout)
		display(im).showData(im.env.Stdout)
		display(im).addNotes(ctx)
		display(im).showNotes(im.env.Stdout)
		fmt.Fprintf(im.env.Stdout, "\nNothing has changed. To do it: chatmaild import --from %s\n", im.from)
		return nil
	}
	// Without a journal: each step finds by itself what is here already, and there is no
	// running relay to go back to.
	for _, step := range []func(context.Context) error{
		im.copyMailboxes, blocks(im).take, im.copyKeys, im.copyExternal, data(im).take, im.holdBack, im.copyConfig,
	} {
		if err := step(ctx); err != nil {
			return command.WithHint(err, "fix the cause; to resume, run the same command again")
		}
	}
	display(im).addNotes(ctx)
	display(im).showNotes(im.env.Stdout)
	fmt.Fprintf(im.env.Stdout, "%d accounts of %s are here. Once the old relay is off and the DNS points here: chatmaild run\n",
		im.accounts.total, im.conf.MailDomain)
	return nil
}

// copyMailboxes copies several at once. The first error stops the others after the
// mailbox that they are at.
func (im copying) copyMailboxes(ctx context.Context) error {
	if err := im.machine.MakeDirectory(desired.Directory{Path: im.conf.MailboxesDir, Mode: 0o700, Owner: "vmail", Group: "vmail"}); err != nil {
		return err
	}
	names, err := im.source.Names(im.conf.MailboxesDir)
	if err != nil {
		return err
	}
	im.say("copy %d mailboxes to %s", im.accounts.total, im.conf.MailboxesDir)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var group sync.WaitGroup
	// Unbuffered, so that after an error no more mailboxes are begun than there are workers.
	next := make(chan string)
	for range copyWorkers {
		group.Go(func() {
			for name := range next {
				if err := im.copyMailbox(name); err != nil {
					stop(err)
				}
			}
		})
	}
	for _, name := range names {
		if !strings.HasSuffix(name, "@"+im.conf.AddressDomain()) {
			continue
		}
		select {
		case next <- name:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return im.machine.Sync(im.conf.MailboxesDir)
}

// copyMailbox copies a mailbox beside its place and then renames it. The name of the
// copy is not an address, so that nobody takes it for a mailbox.
func (im copying) copyMailbox(name string) error {
	box := path.Join(im.conf.MailboxesDir, name)
	there, err := im.machine.Exists(box)
	if err != nil || there {
		return err
	}
	part := path.Join(im.conf.MailboxesDir, ".import-"+strings.ReplaceAll(name, "@", "-at-"))
	// By name: the copy may have been made without owners, or with the numbers that the other
	// machine has for them.
	if err := im.machine.CopyTree(im.source, box, part, host.Owner{User: "vmail", Group: "vmail"}); err != nil {
		return fmt.Errorf("copying a mailbox: %w", err)
	}
	return im.machine.Rename(part, box)
}

// copyKeys brings the keys to where chatmaild run looks for them. With the former DKIM key
// mail is valid from the first message, whatever is cached in the DNS.
func (im copying) copyKeys(context.Context) error {
	dkim, brake := keyfiles.DKIM(im.conf), im.conf.NocreateFile
	for _, f := range []struct{ from, to string }{
		{dkim, dkim}, {brake, nocreate.Place(im.machine.Root, brake)},
	} {
		there, err := im.source.Exists(f.from)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		im.say("copy %s", f.from)
		if err := im.machine.CopyTree(im.source, f.from, f.to, host.Owner{User: "root", Group: "root"}); err != nil {
			return err
		}
	}
	if !im.conf.ACME() {
		return nil
	}
	files, err := converge.Acmetool(im.conf, im.source)
	if err != nil {
		return err
	}
	return im.putMissing("TLS key and the account with the certificate authority", files)
}

// copyExternal copies the pair that another user renews. It may be links, as those of
// certbot are: what they lead to is copied. What exists is the operator's.
func (im copying) copyExternal(context.Context) error {
	certPath, keyPath, external := im.conf.ExternalTLS()
	if !external {
		return nil
	}
	cert, key, err := im.oldPair()
	if err != nil {
		return nil // noted by requireKeys
	}
	return im.putMissing("certificate and its key", []desired.File{
		{Path: keyPath, Content: key, Mode: 0o600, Owner: "root", Group: "root", Secret: true},
		{Path: certPath, Content: cert, Mode: 0o644, Owner: "root", Group: "root"},
	})
}

// putMissing writes those files that are not there.
func (im copying) putMissing(what string, files []desired.File) error {
	var missing []desired.File
	for _, f := range files {
		there, err := im.machine.Exists(f.Path)
		if err != nil {
			return err
		}
		if !there {
			missing = append(missing, f)
		}
	}
	return data(im).put(what, missing)
}

// holdBack has a container that is restarted before chatmaild run not start the relay. On a
// machine with systemd nothing of a relay is enabled that was never run.
func (im copying) holdBack(ctx context.Context) error {
	if !im.machine.Systemd().Supervised() {
		return nil
	}
	return transfer.StopRelay(ctx, im.env.Stderr, im.machine)
}

// copyConfig comes last: with it, chatmaild run would begin.
func (im copying) copyConfig(context.Context) error {
	im.say("write %s", config.DefaultPath)
	return im.machine.Write(desired.File{
		Path: config.DefaultPath, Content: []byte(im.conversion.Text), Mode: 0o644, Owner: "root", Group: "root",
	})
}
