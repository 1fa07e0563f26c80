package tokens

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// filled returns the path of a closed database with something in it.
func filled(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "metadata.db")
	db, err := Open(path, options(&people{}))
	must(t, err)
	for i := range 60 {
		account := fmt.Sprintf("%d@x", i)
		register(t, db, account, "one"+string(bytes.Repeat([]byte("x"), 1000)))
		notify(t, db, account, start)
	}
	must(t, db.Close())
	return path
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	write := func(name string, text []byte) func(*testing.T) string {
		return func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), name)
			must(t, os.WriteFile(path, text, 0o600))
			return path
		}
	}
	inBolt := func(change func(*bolt.Tx) error) func(*testing.T) string {
		return func(t *testing.T) string {
			path := filled(t)
			db, err := bolt.Open(path, 0o600, nil)
			must(t, err)
			must(t, db.Update(change))
			must(t, db.Close())
			return path
		}
	}
	cut := func(percent int64) func(*testing.T) string {
		return func(t *testing.T) string {
			path := filled(t)
			info, err := os.Stat(path)
			must(t, err)
			must(t, os.Truncate(path, info.Size()*percent/100))
			return path
		}
	}
	for name, tc := range map[string]struct {
		make func(*testing.T) string
		want error
	}{
		"text":        {write("text", bytes.Repeat([]byte("not a database\n"), 5000)), ErrDamaged},
		"short text":  {write("short", []byte("not a database")), ErrDamaged},
		"zeros":       {write("zeros", make([]byte, 1<<16)), ErrDamaged},
		"cut to 5 %":  {cut(5), ErrDamaged},
		"cut to half": {cut(50), ErrDamaged},
		"newer": {inBolt(func(tx *bolt.Tx) error {
			return tx.Bucket(metaBucket).Put(formatKey, binary.BigEndian.AppendUint32(nil, format+1))
		}), ErrNewer},
		"no format": {inBolt(func(tx *bolt.Tx) error { return tx.Bucket(metaBucket).Delete(formatKey) }), ErrForeign},
		"no queue":  {inBolt(func(tx *bolt.Tx) error { return tx.DeleteBucket(queueBucket) }), ErrDamaged},
		"another program's": {inBolt(func(tx *bolt.Tx) error {
			_, err := tx.CreateBucket([]byte("theirs"))
			return errors.Join(err, tx.DeleteBucket(metaBucket))
		}), ErrForeign},
		"bad key": {inBolt(func(tx *bolt.Tx) error { return tx.Bucket(queueBucket).Put([]byte("k"), nil) }), ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			path := tc.make(t)
			before, err := os.ReadFile(path)
			must(t, err)
			db, err := Open(path, options(&people{}))
			if db != nil {
				db.Close()
			}
			if !errors.Is(err, tc.want) {
				t.Errorf("Open: %v, want %v", err, tc.want)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

// TestOpenAfterACrashAtTheBeginning: bbolt has made the file, and we nothing in it yet.
func TestOpenAfterACrashAtTheBeginning(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	must(t, os.WriteFile(empty, nil, 0o600))
	bare := filepath.Join(t.TempDir(), "bare")
	db, err := bolt.Open(bare, 0o600, nil)
	must(t, err)
	must(t, db.Close())
	for _, path := range []string{empty, bare} {
		register(t, open(t, path, options(&people{})), "a@x", "one")
	}
}

func TestOpenOfAnOpenDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metadata.db")
	open(t, path, options(&people{}))
	if _, err := Open(path, options(&people{})); !errors.Is(err, ErrInUse) {
		t.Errorf("Open: %v, want %v", err, ErrInUse)
	}
}

// TestDamageIsAnErrorAndNoCrash overwrites each page in turn. Whatever the database then
// does, it fails with an error or works, for what is not on that page too.
func TestDamageIsAnErrorAndNoCrash(t *testing.T) {
	path := filled(t)
	whole, err := os.ReadFile(path)
	must(t, err)
	page := os.Getpagesize()
	noticed := 0
	for at := 0; at < len(whole); at += page {
		damaged := bytes.Clone(whole)
		for i := at; i < min(at+page, len(damaged)); i++ {
			damaged[i] ^= 0xA5
		}
		must(t, os.WriteFile(path, damaged, 0o600))
		db, err := Open(path, options(&people{}))
		if err != nil {
			noticed++
			continue
		}
		failed := false
		for i := range 60 {
			account := fmt.Sprintf("%d@x", i)
			if _, err := db.Notify(account, start); err != nil {
				failed = true
			}
			if err := db.Register(account, "two", start); err != nil {
				failed = true
			}
		}
		if entries, _, err := db.TakeDue(start, 100); err != nil || len(entries) != 60 {
			failed = true
		}
		if failed {
			noticed++
		}
		_ = db.Close()
	}
	if noticed == 0 {
		t.Error("no damage was noticed")
	}
}

func TestReset(t *testing.T) {
	path := filled(t)
	before, err := os.ReadFile(path)
	must(t, err)
	seen := map[string]bool{}
	for range 3 { // within one second
		aside, err := Reset(path, start)
		must(t, err)
		if seen[aside] {
			t.Errorf("%s was used twice", aside)
		}
		seen[aside] = true
		if len(seen) == 1 {
			if after, err := os.ReadFile(aside); err != nil || !bytes.Equal(before, after) {
				t.Errorf("the old file is not as it was (%v)", err)
			}
		}
		db, err := Open(path, options(&people{}))
		must(t, err)
		if n := size(t, db); n != 0 {
			t.Errorf("%d entries in a new database", n)
		}
		must(t, db.Close())
	}
}
