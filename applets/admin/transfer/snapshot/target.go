package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/config"
	"chatmaild/store/safefs"
)

// maxConfig bounds the configuration in an archive, in bytes.
const maxConfig = 1 << 20

// A Target puts the pieces of an archive in place.
type Target struct {
	// Layout is known once Begin has read the configuration.
	Layout
	Owners *Owners
	// ConfigText is the configuration in the archive. It is put in place last, by
	// the caller.
	ConfigText string

	r *archive.Reader
}

// Begin reads the configuration, which is the first piece of an archive.
func (t *Target) Begin(r *archive.Reader) error {
	item, err := r.Next()
	if err != nil {
		return err
	}
	if item.Entry == nil || item.Entry.Name != configPiece || item.Entry.Dir || item.Entry.Size > maxConfig {
		return fmt.Errorf("%w: it does not begin with a configuration", archive.ErrDamaged)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if item, err = r.Next(); err != nil {
		return err
	}
	if item.Sum == nil || item.Sum.Void {
		return fmt.Errorf("%w: there is more than a configuration in its first piece", archive.ErrDamaged)
	}
	t.r, t.ConfigText = r, string(text)
	t.Conf, err = config.Parse("the configuration in the archive", t.ConfigText)
	return err
}

// Receive puts all pieces behind after in place; done is called with each, in their order, with
// how far the archive has come.
//
// Pieces are written at the same time, and some are ready before those in front of them.
// done keeps their order all the same: all that comes before a piece that it was told of is
// in place, and an interrupted restore continues behind that.
func (t *Target) Receive(ctx context.Context, after string, done func(archive.State) error) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()

	lanes := make(chan *arrival, lanesAhead)
	pool := &sync.Pool{New: func() any { return new([blockSize]byte) }}
	finished := make(chan error, 1)
	workers.Go(func() {
		for l := range lanes {
			err := <-l.finished
			if err == nil {
				err = done(l.state)
			}
			if err != nil {
				cancel() // the reader below stops
				finished <- err
				return
			}
		}
		finished <- nil
	})
	err = t.dispatch(ctx, after, lanes, pool, &workers)
	close(lanes)
	if fault := <-finished; fault != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = fault
	}
	return err
}

// dispatch reads the archive and hands each piece to a goroutine of its own.
func (t *Target) dispatch(ctx context.Context, after string, lanes chan<- *arrival, pool *sync.Pool, workers *sync.WaitGroup) error {
	var l *arrival
	defer func() {
		if l != nil {
			close(l.parts)
		}
	}()
	for skipping := false; ; {
		item, err := t.r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if l == nil && item.Entry == nil {
			if item.Sum != nil && skipping {
				skipping = false
				continue
			}
			return fmt.Errorf("%w: a piece without a beginning", archive.ErrDamaged)
		}
		if l == nil && !skipping {
			if skipping = compare(item.Entry.Name, after) <= 0; !skipping {
				if l, err = t.begin(ctx, item.Entry.Name, pool); err != nil {
					return err
				}
				workers.Go(l.run)
				select {
				case lanes <- l:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		if skipping {
			continue
		}
		if item.Sum != nil {
			l.state = t.r.State()
		}
		if err := l.pass(ctx, item, t.r); err != nil {
			return err
		}
		if item.Sum != nil {
			close(l.parts)
			l = nil
		}
	}
}

// Sync makes durable all that was put in place.
// One syncfs(2) for each file system, instead of an fsync(2) for each of a million files.
func (t *Target) Sync() error {
	for _, directory := range []string{t.Mailboxes(), t.State(), filepath.Join(t.Root, "/etc")} {
		dir, err := safefs.OpenDir(directory)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = safefs.SyncAll(dir)
		dir.Close()
		if err != nil {
			return fmt.Errorf("writing %s to the disk: %w", directory, err)
		}
	}
	return nil
}

// Tidy removes what runs that was interrupted have left incomplete.
func (t *Target) Tidy() error {
	var errs []error
	for _, directory := range []string{t.Mailboxes(), t.State(), filepath.Join(t.Root, t.Conf.MetadataDir()), filepath.Join(t.Root, t.Conf.ExpireDir())} {
		names, err := list(directory)
		errs = append(errs, err)
		for _, name := range names {
			if strings.HasPrefix(name, tempPrefix) {
				errs = append(errs, safefs.RemoveAll(filepath.Join(directory, name)))
			}
		}
	}
	return errors.Join(errs...)
}
