package takeover

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
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
		im.copyMailboxes, blocks(im).take, im.copyKeys, im.copyExternal, data(im).take, im.copyConfig,
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

// copyKeys brings the keys to where chatmaild run looks for them.
func (im copying) copyKeys(context.Context) error {
	type tree struct {
		path  string
		owner host.Owner
	}
	root := host.Owner{User: "root", Group: "root"}
	// With the former DKIM key mail is valid from the first message, whatever is cached in the
	// DNS; acmetool's directory has the account with the authority, which a CAA record may
	// name (RFC 8657).
	trees := []tree{{keyfiles.DKIM(im.conf), root}, {im.conf.NocreateFile, root}}
	if im.conf.ACME() {
		trees = append(trees, tree{pythonrelay.Acmetool, root})
	}
	for _, t := range trees {
		there, err := im.source.Exists(t.path)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		im.say("copy %s", t.path)
		if err := im.machine.CopyTree(im.source, t.path, t.path, t.owner); err != nil {
			return err
		}
	}
	return nil
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
	var files []desired.File
	for _, f := range []desired.File{
		{Path: keyPath, Content: key, Mode: 0o600, Owner: "root", Group: "root", Secret: true},
		{Path: certPath, Content: cert, Mode: 0o644, Owner: "root", Group: "root"},
	} {
		there, err := im.machine.Exists(f.Path)
		if err != nil {
			return err
		}
		if !there {
			files = append(files, f)
		}
	}
	return data(im).put("certificate and its key", files)
}

// copyConfig comes last: with it, chatmaild run would begin.
func (im copying) copyConfig(context.Context) error {
	im.say("write %s", config.DefaultPath)
	return im.machine.Write(desired.File{
		Path: config.DefaultPath, Content: []byte(im.conversion.Text), Mode: 0o644, Owner: "root", Group: "root",
	})
}
