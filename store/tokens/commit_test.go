package tokens

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	bolt "go.etcd.io/bbolt"
)

func TestChangesShareACommit(t *testing.T) {
	db, _ := fixture(t)
	before := commits(t, db)
	const clients, each = 50, 10
	var done sync.WaitGroup
	for i := range clients {
		done.Go(func() {
			for j := range each {
				if err := db.Register(fmt.Sprintf("%d@x", i), fmt.Sprintf("token%d", j), start); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	if n := commits(t, db) - before; n > clients*each/2 {
		t.Errorf("%d commits for %d changes of %d clients", n, clients*each, clients)
	}
	for i := range clients {
		if n := countStored(t, db, fmt.Sprintf("%d@x", i)); n != each {
			t.Errorf("account %d has %d tokens, want %d", i, n, each)
		}
	}
}

// commits is how many transactions have been written.
func commits(t *testing.T, db *DB) (n int) {
	t.Helper()
	must(t, db.view(func(tx *bolt.Tx) error {
		n = tx.ID()
		return nil
	}))
	return n
}

func TestOneBadChangeSpoilsNoOther(t *testing.T) {
	db, _ := fixture(t)
	must(t, db.update(func(b *batch) error {
		return b.Bucket(accountsBucket).Put([]byte("bad@x"), []byte("damaged"))
	}))
	changes := make([]*change, 3)
	for i := range changes {
		changes[i] = &change{done: make(chan error, 1), apply: func(b *batch) error {
			_, _, err := db.add(b, "a@x", uint64(100+i), start)
			return err
		}}
	}
	changes[1].apply = func(*batch) error { panic("page 5: bad flags") }
	db.commit(changes)
	for i, c := range changes {
		if err := <-c.done; (i == 1) != errors.Is(err, ErrDamaged) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if err := db.Register("bad@x", "one", start); !errors.Is(err, ErrDamaged) {
		t.Errorf("change of a damaged account: %v, want %v", err, ErrDamaged)
	}
	if n := size(t, db); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

func TestUpdateAfterClose(t *testing.T) {
	db, err := Open(filepath.Join(t.TempDir(), "metadata.db"), options(&people{}))
	must(t, err)
	must(t, db.Close())
	if err := db.Forget("a@x"); !errors.Is(err, errClosed) {
		t.Errorf("Forget after Close: %v, want %v", err, errClosed)
	}
}

// TestFullDisk fills a small file system, or what a process may write: changes fail,
// what was acknowledged stays, and once there is room all continues.
func TestFullDisk(t *testing.T) {
	dir, room := smallDisk(t)
	db, err := Open(filepath.Join(dir, "metadata.db"), options(&people{}))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })

	stored, failed := 0, 0
	for i := 0; failed < 3; i++ {
		if i == 10000 {
			t.Fatal("the disk is never full")
		}
		if err := db.Register(fmt.Sprintf("%d@x", i), fmt.Sprintf("%0500d", i), start); err != nil {
			// bbolt does not wrap what it gets when the file cannot grow.
			if text := err.Error(); !strings.Contains(text, syscall.ENOSPC.Error()) && !strings.Contains(text, syscall.EFBIG.Error()) {
				t.Fatalf("Register on a full disk: %v", err)
			}
			failed++
			continue
		}
		stored++
	}
	if stored == 0 {
		t.Fatal("nothing could be stored")
	}
	room()
	register(t, db, "new@x", "one")
	n := 0
	must(t, db.view(func(tx *bolt.Tx) error {
		n = tx.Bucket(accountsBucket).Stats().KeyN
		return nil
	}))
	if n != stored+1 {
		t.Errorf("%d accounts, want the %d that were acknowledged", n, stored+1)
	}
}

// smallDisk returns a directory with room for some 300 KiB, and what makes more room. An
// ordinary user, who cannot mount, gets a limit for files instead.
func smallDisk(t *testing.T) (dir string, room func()) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err == nil {
		t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
		ballast := filepath.Join(dir, "ballast")
		must(t, os.WriteFile(ballast, make([]byte, 200<<10), 0o600))
		return dir, func() { must(t, os.Remove(ballast)) }
	}
	signal.Ignore(syscall.SIGXFSZ)
	var before syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	room = func() { must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)) }
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 300 << 10, Max: before.Max}))
	t.Cleanup(room)
	return dir, room
}
