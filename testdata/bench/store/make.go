package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	makers    = 4
	maxAge    = 40 * 24 * time.Hour // twice delete_mails_after: half of the messages go
	unseen    = 10                  // one message in so many is still in new
	staleUser = 20                  // one user in so many has not come for 100 days
)

// makeStore writes the mailboxes as Dovecot leaves them.
func makeStore(dir string) error {
	var next atomic.Int64
	errs := make([]error, makers)
	var wg sync.WaitGroup
	for i := range makers {
		wg.Go(func() {
			m := maker{rng: rand.New(rand.NewPCG(uint64(i), 0)), now: time.Now(), body: make([]byte, 4000)}
			for n := next.Add(1); n <= int64(*mailboxes) && errs[i] == nil; n = next.Add(1) {
				errs[i] = m.mailbox(filepath.Join(dir, fmt.Sprintf("user%06d@bench.test", n)))
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

type maker struct {
	rng  *rand.Rand
	now  time.Time
	body []byte
}

func (m *maker) mailbox(dir string) error {
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	login := m.now.AddDate(0, 0, -m.rng.IntN(60))
	if m.rng.IntN(staleUser) == 0 {
		login = m.now.AddDate(0, 0, -100)
	}
	if err := m.file(filepath.Join(dir, "password"), 60, login); err != nil {
		return err
	}
	for _, name := range []string{"dovecot-uidlist", "dovecot-uidvalidity", "dovecot.index.log", "dovecot.index.cache", "dovecot.list.index.log", "maildirsize"} {
		if err := m.file(filepath.Join(dir, name), 300, m.now); err != nil {
			return err
		}
	}
	for i := range *messages {
		at := m.now.Add(-time.Duration(m.rng.Int64N(int64(maxAge))))
		size := 500 + m.rng.IntN(len(m.body)-500)
		name := fmt.Sprintf("%d.M%06dP%d.bench,S=%d,W=%d", at.Unix(), m.rng.IntN(1_000_000), i, size, size+size/70)
		sub := "new"
		if m.rng.IntN(unseen) != 0 {
			sub, name = "cur", name+":2,S"
		}
		if err := m.file(filepath.Join(dir, sub, name), size, at); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) file(path string, size int, at time.Time) error {
	if err := os.WriteFile(path, m.body[:size], 0o600); err != nil {
		return err
	}
	return os.Chtimes(path, at, at)
}
