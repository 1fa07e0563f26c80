package move

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/relocation"
	"chatmaild/applets/admin/transfer"
	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/admin/transfer/snapshot"
	"chatmaild/applets/command"
)

// spareBytes is what has to be free on the other side beside what is used here.
const spareBytes = 1 << 30

// request is what the other side needs for each step: who we are, and the configuration
// that it will have.
func (m *move) request() ([]byte, error) {
	text, err := os.ReadFile(m.env.ConfigPath)
	if err != nil {
		return nil, err
	}
	return json.Marshal(transfer.Request{ID: m.record.ID, Config: string(text)})
}

// check asks the other side whether it can take the relay.
func (m *move) check(ctx context.Context) error {
	// The other side notes the move by its id, which has to be the same next time.
	if err := m.enter(relocation.Copying); err != nil {
		return err
	}
	request, err := m.request()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	var answer transfer.Answer
	if err := m.ssh.Run(ctx, bytes.NewReader(request), &out, "chatmaild", "restore", "--serve", "check"); err != nil {
		return fmt.Errorf("is the package installed there? %w", err)
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		return fmt.Errorf("reading its answer: %w", err)
	}
	if answer.Trouble != "" {
		return errors.New(answer.Trouble)
	}
	m.record.Addresses = answer.Addresses
	// Equal, not compatible: the layout of the state and what the two sides say to each other
	// may change with any version, and mixtures are not tested.
	if answer.Version != m.env.Version {
		return fmt.Errorf("it has chatmaild %s, and this is %s: install the same package on both", answer.Version, m.env.Version)
	}
	size, files, err := snapshot.Usage(ctx, m.source().Mailboxes())
	if err != nil {
		return err
	}
	m.say("%d files of mail, %s; free there: %s", files, command.FormatSize(size), command.FormatSize(answer.Free))
	// A resumed move has filled a part of that disk itself.
	if answer.Free < size+spareBytes && !m.resumed {
		return fmt.Errorf("its disk has %s free, and %s are needed", command.FormatSize(answer.Free), command.FormatSize(size+spareBytes))
	}
	if answer.Inodes > 0 && answer.Inodes < files && !m.resumed {
		return fmt.Errorf("its disk has room for %d files, and %d are needed", answer.Inodes, files)
	}
	return nil
}

// source is this relay, read again for each pass: what changed meanwhile is the point.
func (m *move) source() *snapshot.Source { return transfer.Source(m.env, m.conf, m.machine) }

// copy copies what is different, again and again until it is little.
func (m *move) copy(ctx context.Context) error {
	for range maxPasses {
		start := time.Now()
		if err := m.sync(ctx, false); err != nil {
			return err
		}
		if time.Since(start) < shortPass {
			break
		}
	}
	return nil
}

// off turns mail off here. What was accepted is delivered, or in the queue.
func (m *move) off(ctx context.Context) error {
	if err := m.enter(relocation.Off); err != nil {
		return err
	}
	m.offSince = time.Now()
	return transfer.StopRelay(ctx, m.env.Stderr, m.machine)
}

// mailIsOn asks systemd, not the record: an operator may have gone back by "chatmaild
// run".
func (m *move) mailIsOn(ctx context.Context) (bool, error) {
	units, err := m.machine.Systemd().Units(ctx, desired.Postfix)
	return len(units) > 0 && units[0].Active == "active", err
}

// difference copies what came since, and Postfix's queue. Nothing changes any more.
func (m *move) difference(ctx context.Context) error {
	if m.offSince.IsZero() { // an earlier run was interrupted while, or after, it turned mail off
		if err := m.off(ctx); err != nil {
			return err
		}
	}
	if err := m.sync(ctx, true); err != nil {
		return err
	}
	return m.enter(relocation.Handing)
}

// sync makes the other side the same as this one.
func (m *move) sync(ctx context.Context, final bool) (err error) {
	request, err := m.request()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	inventory, err := m.ssh.Start(ctx, bytes.NewReader(request), "chatmaild", "restore", "--serve", "inventory")
	if err != nil {
		return err
	}
	// Two commands at the same time: one lists what is there while the other takes what is not.
	defer inventory.Stop()
	update, err := m.ssh.Start(ctx, nil, "chatmaild", "restore", "--serve", "update")
	if err != nil {
		return err
	}
	defer update.Stop()
	if err := m.send(ctx, inventory.Stdout, update.Stdin, final); err != nil {
		// What they said is the cause, if they said something.
		return errors.Join(update.Fail(err), inventory.Failed())
	}
	return errors.Join(update.Wait(), inventory.Wait())
}

// send writes what the other side lacks. Its inventory is read while we send, so that
// neither list has to fit into memory.
func (m *move) send(ctx context.Context, have io.Reader, to io.WriteCloser, final bool) error {
	head := archive.Head{
		Format: archive.Version, ID: m.record.ID, Domain: m.conf.MailDomain, Version: m.env.Version,
		Made: time.Now().UTC(), Update: true,
	}
	source := m.source()
	o := snapshot.Options{Head: &head, Have: have, Queue: final}
	total, err := source.Places(o)
	if err != nil {
		return err
	}
	// The archive's headers and most messages are small.
	out := bufio.NewWriterSize(to, 256<<10)
	w := archive.NewWriter(out, head.ID)
	progress := transfer.NewProgress(m.env.Stderr, "  copied", total, archive.State{})
	var state archive.State
	o.Done = func(s archive.State) error {
		state = s
		progress.Show(s)
		return nil
	}
	if err := source.Write(ctx, w, o); err != nil {
		progress.Clear()
		return err
	}
	if err := errors.Join(w.Close(), out.Flush(), to.Close()); err != nil {
		return err
	}
	progress.Finish(state)
	return nil
}

// on puts the configuration in place over there, and has chatmaild make that machine the
// relay.
func (m *move) on(ctx context.Context) error {
	request, err := m.request()
	if err != nil {
		return err
	}
	// From here on the other side counts as the relay: what goes wrong below is repeated there,
	// and never undone here.
	if err := m.ssh.Run(ctx, bytes.NewReader(request), nil, "chatmaild", "restore", "--serve", "finish"); err != nil {
		return err
	}
	// DNS names this machine still.
	if err := m.ssh.Show(ctx, m.env.Stderr, "chatmaild", "run", "--skip-dns-check"); err != nil {
		return err
	}
	if !m.offSince.IsZero() {
		m.say("mail was off for %v", time.Since(m.offSince).Round(100*time.Millisecond))
	}
	return nil
}

// keepOff has this side never send what the other one has taken over.
func (m *move) keepOff(ctx context.Context) error {
	// The queue was copied: what is on hold here is not delivered a second time, even if an
	// operator starts this Postfix.
	if err := m.machine.Postfix().Hold(ctx); err != nil {
		return err
	}
	return m.enter(relocation.Done)
}
