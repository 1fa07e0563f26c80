package tokens

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"chatmaild/push"
)

// Why a database cannot be opened, or something in it cannot be read.
var (
	ErrInUse   = errors.New("another process has it open")
	ErrDamaged = errors.New("it is damaged")
	ErrForeign = errors.New("it is not a chatmaild database")
	ErrNewer   = errors.New("a newer chatmaild wrote it")
)

// lockTimeout is how long Open waits for another process to let go of the file: a
// daemon that is being restarted.
const lockTimeout = 3 * time.Second

// Mailboxes is what the database wants to know of the accounts' mailboxes.
type Mailboxes interface {
	// Exists reports whether an account has a mailbox. Its error says that this
	// cannot be told now.
	Exists(account string) (bool, error)
	// Legacy returns the Python relay's metadata.json of an account, or nil.
	Legacy(account string) ([]byte, error)
}

// Options are what a DB needs besides its file. Mailboxes, Now and Log are required.
type Options struct {
	Mailboxes Mailboxes
	Now       func() time.Time
	Log       *slog.Logger
	MaxQueued int // entries of the queue; 0 stands for push.MaxQueued
}

// DB is an open database.
type DB struct {
	*file
	*accounts
	*queue
}

var (
	_ push.Registry = (*DB)(nil)
	_ push.Queue    = (*DB)(nil)
)

// file is the database as bbolt has it, with what of it is in memory.
type file struct {
	bolt  *bolt.DB
	index *index

	changes        chan *change
	stop, finished chan struct{} // of commitLoop
}

// accounts is the tokens of the accounts.
type accounts struct {
	*file
	Options
}

// Open opens the database at path, or makes a new one. Its errors wrap the Err values
// above where one fits.
func Open(path string, o Options) (*DB, error) {
	if o.MaxQueued == 0 {
		o.MaxQueued = push.MaxQueued
	}
	f := &file{
		changes: make(chan *change, maxBatch), stop: make(chan struct{}), finished: make(chan struct{}),
	}
	if err := f.open(path); err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	a := &accounts{f, o}
	f.Tidy()
	go f.commitLoop()
	return &DB{f, a, &queue{f, a, o.MaxQueued}}, nil
}

func (f *file) open(path string) error {
	var doubles [][]byte // keys of entries that are not needed
	info, err := os.Stat(path)
	switch isNew := errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0; {
	case isNew:
		f.index = newIndex()
	case err != nil:
		return err
	default:
		if f.index, doubles, err = inspect(path); err != nil {
			return err
		}
	}
	f.bolt, err = openBolt(path, &bolt.Options{
		// The list of free pages is found by looking at the file once; writing it
		// with each commit would cost more than the commit.
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistMapType,
	})
	if err != nil {
		return err
	}
	err = guard(func() error {
		return f.bolt.Update(func(tx *bolt.Tx) error {
			if err := migrate(tx); err != nil {
				return err
			}
			for _, key := range doubles {
				if err := tx.Bucket(queueBucket).Delete(key); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		f.bolt.Close()
		return err
	}
	return nil
}

// openBolt opens a file with bbolt and tells its errors apart.
func openBolt(path string, o *bolt.Options) (db *bolt.DB, err error) {
	o.Timeout = lockTimeout
	err = guard(func() error {
		db, err = bolt.Open(path, 0o600, o)
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrInUse
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch),
		errors.Is(err, bolterrors.ErrChecksum), err != nil && err.Error() == "file size too small":
		return nil, fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	return db, err
}

// Close finishes the changes in progress and closes the file. No method may be called
// afterwards.
func (f *file) Close() error {
	close(f.stop)
	<-f.finished
	if err := f.bolt.Close(); err != nil {
		return fmt.Errorf("closing the database: %w", err)
	}
	return nil
}
