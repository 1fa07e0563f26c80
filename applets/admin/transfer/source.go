package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/transfer/snapshot"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
	"chatmaild/store/safefs"
	"chatmaild/store/tokens"
)

// copyTimeout is how long the metadata daemon may take to copy its database.
const copyTimeout = 2 * time.Minute

// Source is this relay, to be read.
func Source(env *command.Env, conf *config.Config, machine host.Host) *snapshot.Source {
	return &snapshot.Source{
		Layout: snapshot.Layout{Conf: conf, ConfigPath: env.ConfigPath, Root: machine.Root},
		Owners: &snapshot.Owners{}, Warn: warner(env.Stderr),
		Database: func(ctx context.Context) (*os.File, error) { return openDatabase(ctx, conf, machine) },
	}
}

// openDatabase opens a consistent copy of the metadata daemon's database: one that the
// daemon makes, or, if it does not run, the file itself, locked as bbolt does.
func openDatabase(ctx context.Context, conf *config.Config, machine host.Host) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	path, err := dict.Ask(ctx, filepath.Join(machine.Root, conf.Socket("metadata")), push.CopyKey)
	if err == nil {
		// The name comes from a daemon, and says nothing that we do not know.
		want := tokens.CopyOf(filepath.Join(machine.Root, conf.MetadataDB()))
		if path != want {
			return nil, command.WithHint(fmt.Errorf("the metadata daemon has copied its database to %q, want %s", path, want),
				"systemctl restart chatmaild-metadata")
		}
		f, err := safefs.Open(want)
		if err != nil {
			return nil, fmt.Errorf("reading the copy of the metadata: %w", err)
		}
		return f, safefs.Remove(want)
	}
	if !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.ECONNREFUSED) {
		return nil, command.WithHint(fmt.Errorf("asking the metadata daemon: %w", err), "journalctl -u chatmaild-metadata -n 20")
	}
	f, err := safefs.Open(filepath.Join(machine.Root, conf.MetadataDB()))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("the metadata daemon has its database open, and does not answer: %w", err), f.Close())
	}
	return f, nil
}

// warner prints what is noteworthy, once each, and not without end.
func warner(w io.Writer) func(string) {
	const limit = 20
	var mu sync.Mutex
	printed := 0
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		switch printed++; {
		case printed <= limit:
			fmt.Fprintf(w, "! %s\n", text)
		case printed == limit+1:
			fmt.Fprintln(w, "! … and more")
		}
	}
}
