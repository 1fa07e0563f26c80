package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/config"
	"chatmaild/store/maildir"
	"chatmaild/store/safefs"
)

// A Source reads a relay.
type Source struct {
	Layout
	Owners *Owners
	// Database opens a consistent copy of the metadata daemon's database. Without
	// it the file itself is read, which must be nobody's then.
	Database func(context.Context) (*os.File, error)
	// Warn is notified of what cannot be read as it is. It may be called by several
	// goroutines at the same time.
	Warn func(text string)
}

// Options say what of a relay is read.
type Options struct {
	// Head is that of a new archive; nil continues after After.
	Head *archive.Head
	// After is the last piece that the archive has.
	After string
	// Have is the inventory of the other side, for what is different; nil for all.
	Have io.Reader
	// Queue takes Postfix's queue, too. Postfix has to be off.
	Queue bool
	// Done is called with how far the archive has come, after each piece.
	Done func(archive.State) error
}

// job is a piece to be read.
type job struct {
	place
	head *archive.Head
	have contents // nil: all of it is wanted
	gone bool     // the other side has it, we have not
}

// Write reads the relay into w. It does not write the archive's end.
func (s *Source) Write(ctx context.Context, w *archive.Writer, o Options) error {
	jobs, err := s.jobs(o)
	if err != nil {
		return err
	}
	return ordered(ctx, jobs, w, s.read, func(sum archive.Sum) error { return o.Done(w.Sealed(sum)) })
}

// Places returns how many pieces there are to be read.
func (s *Source) Places(o Options) (int, error) {
	places, err := s.places(o)
	return len(places), err
}

// places lists all pieces in their order: the configuration, keys and pages, mailboxes,
// and the state last, so that it knows no mailbox less.
func (s *Source) places(o Options) ([]place, error) {
	all := []place{{configPiece, filepath.Join(s.Root, s.ConfigPath)}}
	for _, p := range s.singles() {
		// In an update what is missing here is named as well, so that it goes on the other side.
		if _, err := safefs.Stat(p.path); err == nil || o.Have != nil {
			all = append(all, p)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("looking at %s: %w", p.path, err)
		}
	}
	// A mailbox that gets another home has an empty file in its place.
	names, err := list(filepath.Join(s.Mailboxes(), maildir.MovingDir))
	if err != nil {
		return nil, err
	}
	moving := map[string]bool{}
	for _, name := range names {
		moving[name] = true
	}
	dirs := []struct {
		prefix, dir string
		wanted      func(name string) bool
	}{
		{dkim, filepath.Join(s.Root, dkimDir), func(name string) bool { return strings.HasSuffix(name, dkimSuffix) }},
		{mailboxes, s.Mailboxes(), func(name string) bool { return !strings.HasPrefix(name, ".") && !moving[name] }},
		{state, s.State(), s.isState},
	}
	for _, f := range dirs {
		names, err := list(f.dir)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if f.wanted(name) {
				all = append(all, place{f.prefix + name, filepath.Join(f.dir, name)})
			}
		}
	}
	for name, dir := range s.ofDaemons() {
		path := filepath.Join(s.Root, dir, name)
		if _, err := safefs.Lstat(path); err == nil {
			all = append(all, place{state + name, path})
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if o.Queue {
		for _, name := range queueDirs {
			all = append(all, place{queue + name, filepath.Join(s.Root, Spool, name)})
		}
	}
	slices.SortStableFunc(all, func(a, b place) int { return compare(a.piece, b.piece) })
	return slices.DeleteFunc(all, func(p place) bool { return o.Head == nil && compare(p.piece, o.After) <= 0 }), nil
}

// isState leaves out, of the state, what is of this machine and moment only, filtermail-out's
// copy of the certificate, and other parts that the configuration may have put below it.
func (s *Source) isState(name string) bool {
	path := filepath.Join(s.Conf.StateDir, name)
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".lock") || slices.Contains([]string{RestoreRecord, MoveRecord}, name) ||
		path == s.Conf.MetadataDir() || path == s.Conf.ExpireDir() || path == filepath.Dir(config.SubmissionCertificate(s.Conf)) {
		return false
	}
	for _, other := range []string{s.Conf.MailboxesDir, s.Conf.RuntimeDir, s.Conf.WWWFolder} {
		if other == path || strings.HasPrefix(other, path+"/") {
			return false
		}
	}
	return true
}

// compare has pieces in the order of an archive.
// The order is part of the format: who resumes names the last piece, and gets what is
// behind it.
func compare(a, b string) int {
	return cmp.Or(section(a)-section(b), strings.Compare(a, b))
}

func section(piece string) int {
	for i, prefix := range []string{dkim, mailboxes, state, queue} {
		if strings.HasPrefix(piece, prefix) {
			return 2 + i
		}
	}
	if piece == configPiece {
		return 0
	}
	return 1
}

// list returns the names in a directory, sorted; none if it is not there.
func list(dir string) ([]string, error) {
	names, err := safefs.ReadNames(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a directory: %w", err)
	}
	return names, nil
}

// jobs goes through our pieces and the other side's inventory, both in order.
func (s *Source) jobs(o Options) (func(yield func(job, error) bool), error) {
	places, err := s.places(o)
	if err != nil {
		return nil, err
	}
	var have *inventoryReader
	if o.Have != nil {
		if have, err = newInventoryReader(o.Have); err != nil {
			return nil, err
		}
	}
	return func(yield func(job, error) bool) {
		// theirs yields what they have of mailboxes before ours; "" stands for
		// the end of them all.
		theirs := func(ours string) bool {
			for have != nil && have.address != "" && (ours == "" || have.address < ours) {
				gone := job{place: place{piece: mailboxes + have.address}, gone: true}
				if _, err := have.next(); err != nil {
					return yield(job{}, err) && false
				}
				if !yield(gone, nil) {
					return false
				}
			}
			return true
		}
		head, past := o.Head, false
		for _, p := range places {
			j := job{place: p, head: head}
			head = nil
			address, isMailbox := strings.CutPrefix(p.piece, mailboxes)
			switch {
			case isMailbox:
				if !theirs(address) {
					return
				}
				if have != nil {
					j.have = contents{}
				}
				if have != nil && have.address == address {
					if j.have, err = have.next(); err != nil {
						yield(job{}, err)
						return
					}
				}
			case section(p.piece) > section(mailboxes) && !past:
				past = true
				if !theirs("") {
					return
				}
			}
			if !yield(j, nil) {
				return
			}
		}
		if !past {
			theirs("")
		}
	}, nil
}
