package restore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/user"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/relocation"
	"chatmaild/applets/admin/transfer"
	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/admin/transfer/snapshot"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// maxRequest bounds what a step of a move is asked with, in bytes.
const maxRequest = 1 << 20

// serve does a step of a move from another machine.
func (r *restore) serve(ctx context.Context, step string) error {
	if err := r.machine.RequireRoot(); err != nil {
		return err
	}
	// It has an archive on its standard input, and the configuration is the first piece of that.
	if step == "update" {
		return r.update(ctx)
	}
	text, err := readAll(r.env.Stdin, maxRequest)
	if err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	var request transfer.Request
	if err := json.Unmarshal(text, &request); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	conf, err := parseConfig(request.Config)
	if err != nil {
		return err
	}
	r.target = &snapshot.Target{
		Layout:     snapshot.Layout{Conf: conf, ConfigPath: r.env.ConfigPath, Root: r.machine.Root},
		Owners:     &snapshot.Owners{},
		ConfigText: request.Config,
	}
	switch step {
	case "check":
		return json.NewEncoder(r.env.Stdout).Encode(r.check(request.ID))
	case "inventory":
		return r.inventory(ctx)
	case "finish":
		// It is here again, whatever had moved away. Until finish is done, the record
		// of the restore keeps it from running.
		if err := relocation.MoveIn(conf, r.machine).Remove(); err != nil {
			return err
		}
		return r.finish(ctx)
	}
	return command.Usagef("unknown step %q: want check, inventory, update or finish", step)
}

// check looks whether the relay can come here.
func (r *restore) check(id string) transfer.Answer {
	a := transfer.Answer{Version: r.env.Version, Addresses: globalAddresses()}
	err := errors.Join(r.machine.RequireDebian(), r.machine.RequirePackages(), requireUsers())
	if err == nil {
		r.overwrite, err = r.movedAway()
	}
	if err == nil {
		_, err = r.claim(id)
	}
	if err != nil {
		a.Trouble = err.Error()
		return a
	}
	disk, err := r.machine.Disk(r.target.Conf.MailboxesDir)
	if err != nil {
		a.Trouble = err.Error()
	}
	a.Free, a.Inodes = disk.Free, int64(disk.FreeFiles)
	return a
}

// movedAway reports whether this relay was here and has moved away. Then it may come
// back: what it left here is older than what it brings.
func (r *restore) movedAway() (bool, error) {
	var move relocation.Move
	is, err := relocation.MoveIn(r.target.Conf, r.machine).Read(&move)
	if err != nil || !is || relocation.Order(move.Phase) < relocation.Order(relocation.Handing) {
		return false, err
	}
	text, err := r.machine.ReadFile(r.env.ConfigPath)
	if err != nil {
		return false, nil // nothing to overwrite
	}
	here, err := parseConfig(string(text))
	// Another relay that was here and left still has its configuration.
	return err == nil && here.MailDomain == r.target.Conf.MailDomain, nil
}

// requireUsers looks for those that the relay's files belong to.
func requireUsers() error {
	for _, name := range []string{"vmail", "chatmaild", desired.ACMEUser, desired.EchobotUser, "chatmaild-submission", "postfix"} {
		if _, err := user.Lookup(name); err != nil {
			return fmt.Errorf("there is no user %s here: is the package installed completely?", name)
		}
	}
	return nil
}

// globalAddresses are those that DNS can name; they are shown to the operator at the end
// of a move.
func globalAddresses() (found []string) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			found = append(found, ip.IP.String())
		}
	}
	return found
}

// inventory tells the other side what is here, so that it sends the rest only.
func (r *restore) inventory(ctx context.Context) error {
	out := bufio.NewWriter(r.env.Stdout)
	if err := r.target.Inventory(ctx, out); err != nil {
		return err
	}
	return out.Flush()
}

// update takes the difference. Nothing runs here meanwhile: the claim was made by check.
func (r *restore) update(ctx context.Context) error {
	// A pipe holds 64 KiB; with more than that the sender does not wait for each of our writes.
	in, err := archive.NewReader(bufio.NewReaderSize(r.env.Stdin, 1<<20))
	if err != nil {
		return err
	}
	if !in.Head().Update {
		return errors.New("this is not a part of a move but a backup")
	}
	if err := r.begin(in); err != nil {
		return err
	}
	var under relocation.Restore
	is, err := relocation.RestoreIn(r.target.Conf, r.machine).Read(&under)
	if err != nil {
		return err
	}
	if !is || under.ID != in.Head().ID {
		return errors.New("no move to this machine is under way")
	}
	if err := transfer.StopRelay(ctx, io.Discard, r.machine); err != nil {
		return err
	}
	// finish waits for the disk.
	return r.target.Receive(ctx, "", func(archive.State) error { return nil })
}

// parseConfig reads a configuration that came from elsewhere.
func parseConfig(text string) (*config.Config, error) {
	return config.Parse("the configuration of the other side", text)
}

// readAll reads a small input.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = errors.New("it is too long")
	}
	return text, err
}
