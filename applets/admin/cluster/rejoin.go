package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/packaging/program"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/safefs"
)

// Waiting for the server.
const (
	upTimeout = 2 * time.Minute
	upAgain   = 200 * time.Millisecond
)

// returning is a machine that becomes a copy of the writer again.
type returning struct{ *cluster }

// rejoin makes this machine's copy of the directory from that of the writer.
func (c returning) rejoin(ctx context.Context) error {
	password, err := c.password()
	if err != nil {
		return command.WithHint(err, "copy %s from another machine", config.DirectoryPassword)
	}
	if !c.machine.IsFile(c.server.Conf()) {
		return command.WithHint(errors.New("PostgreSQL is not configured"), "run first: chatmaild run")
	}
	if err := followed(ctx); err != nil {
		return err
	}
	from, err := c.source(ctx)
	if err != nil {
		return err
	}
	if err := c.writePassword(password); err != nil {
		return err
	}
	data := c.server.Data()
	fresh := data + ".new"
	c.say("copy the directory of machine %s", from.Name)
	_, err = program.Output(ctx, "/", "runuser", "-u", "postgres", "--", "sh", "-c", `rm -rf "$1" && exec "$2" -D "$1" -c fast -d "$3"`, "-",
		fresh, filepath.Join(c.server.Programs(), "pg_basebackup"),
		fmt.Sprintf("host=%s user=%s passfile=%s sslmode=disable", from.Addr, desired.Replication, desired.ReplicationPassword))
	if err != nil {
		return err
	}
	unit := c.server.Unit()
	c.say("restart %s with it", unit)
	if err := c.machine.Systemd().Systemctl(ctx, "stop", unit); err != nil {
		return err
	}
	if err := safefs.As("/var/lib/postgresql", func() error { return replace(data, fresh) }); err != nil {
		return err
	}
	if err := c.machine.Systemd().Systemctl(ctx, "start", unit); err != nil {
		return err
	}
	if err := c.awaitCopy(ctx); err != nil {
		return err
	}
	fmt.Fprintf(c.env.Stdout, "machine %s copies the directory\n", c.conf.Cluster.Name)
	return nil
}

// source returns the machine of the writer, for who copies it. One that was replaced, and still runs,
// may lack what this machine has, which would be lost.
func (c returning) source(ctx context.Context) (from config.Member, err error) {
	self := config.Self(c.conf)
	here, hereErr := c.ask(ctx, self) // before the writer, which goes on
	var found []string
	var writer postgres.State
	var copies []string // their versions
	for _, m := range config.Asked(c.conf) {
		state, err := c.ask(ctx, m)
		if err != nil || m == self {
			continue
		}
		if !state.Writer {
			copies = append(copies, state.Version)
			continue
		}
		if givenUp(c.conf) { // then there may be another one, which does not know that either
			if all, err := c.machines(ctx, m); err != nil || !says(all, self.Name) {
				continue
			}
		}
		from, writer, found = m, state, append(found, m.Name)
	}
	switch {
	case len(found) == 0:
		err = command.WithHint(errors.New("no other machine is the writer"), "chatmaild cluster status")
	case len(found) > 1:
		err = command.WithHint(fmt.Errorf("machines %s take themselves for the writer", strings.Join(found, " and ")),
			"first, on the one that no other machine copies, run: chatmaild cluster rejoin")
	case givenUp(c.conf):
	case hereErr == nil && !here.Writer && writer.Position < here.Position:
		err = command.WithHint(fmt.Errorf("machine %s takes itself for the writer, and lacks what this machine's copy of the directory has: another one may have replaced it", from.Name),
			"chatmaild cluster status; if it is the writer nevertheless, run first: systemctl stop %s", c.server.Unit())
	case !c.copying() && writer.Followers == 0 && slices.Contains(copies, writer.Version):
		err = command.WithHint(fmt.Errorf("machine %s takes itself for the writer, but no machine copies it, and this one was the writer, too: one of the two was replaced", from.Name),
			"run on that one: systemctl stop %s; on the other one: systemctl start %[1]s; once others copy that, run on the one that was replaced: chatmaild cluster rejoin", c.server.Unit())
	}
	return from, err
}

// followed fails if another machine copies this one: then this one is the writer, whatever
// else takes itself for it.
func followed(ctx context.Context) error {
	return membership.AsPostgres(func(address func(string) string) error {
		names, err := postgres.Followers(ctx, address("postgres"))
		if err != nil {
			return nil // it does not run, so nobody follows it
		}
		if len(names) > 0 {
			return errors.New("this machine is the writer, which others copy")
		}
		return nil
	})
}

// standbySignal is the file by which PostgreSQL takes its data for a copy.
const standbySignal = "standby.signal"

// replace puts the data of a copy in the place of what was there.
func replace(data, fresh string) error {
	if err := os.WriteFile(filepath.Join(fresh, standbySignal), nil, 0o600); err != nil {
		return fmt.Errorf("making a copy of the directory: %w", err)
	}
	if err := os.RemoveAll(data); err != nil {
		return fmt.Errorf("removing the former data: %w", err)
	}
	if err := os.Rename(fresh, data); err != nil {
		return fmt.Errorf("putting the data in place: %w", err)
	}
	return nil
}

// awaitCopy waits until this machine's server answers as a copy.
func (c returning) awaitCopy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	again := time.NewTicker(upAgain)
	defer again.Stop()
	for {
		state, err := c.ask(ctx, config.Self(c.conf))
		if err == nil && !state.Writer {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return command.WithHint(fmt.Errorf("PostgreSQL does not copy the writer: %w", err),
				"%s", desired.Look(c.server.Unit()))
		}
	}
}
