package session

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"chatmaild/applets/chat"
	"chatmaild/applets/echobot/bot"
	"chatmaild/store/atomicfile"
)

const (
	maxContacts = 20000          // files; each takes 4 KiB on most disks
	seenStep    = 24 * time.Hour // how exactly it is known when one wrote last
)

// Contacts is a directory of those who have written to the bot, a file each, named by the
// fingerprint: a line with the address, then the key. The time of a file is when its
// contact wrote last.
type Contacts struct {
	dir  string
	now  func() time.Time
	puts int
}

var _ bot.Contacts = (*Contacts)(nil)

// OpenContacts makes the directory if need be.
func OpenContacts(dir string, now func() time.Time) (*Contacts, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the directory of contacts: %w", err)
	}
	k := &Contacts{dir: dir, now: now}
	return k, k.prune(maxContacts)
}

// Get implements bot.Contacts.
func (k *Contacts) Get(print string) *bot.Contact {
	if !chat.ValidFingerprint(print) {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(k.dir, print))
	if err != nil {
		return nil
	}
	addr, key, _ := bytes.Cut(text, []byte("\n"))
	c, err := chat.ParseCert(key)
	if err != nil || c.Fingerprint() != print || !chat.ValidAddress(string(addr)) {
		return nil
	}
	return &bot.Contact{Cert: c, Addr: string(addr)}
}

// Put implements bot.Contacts.
func (k *Contacts) Put(c *bot.Contact) error {
	path := filepath.Join(k.dir, c.Cert.Fingerprint())
	text := append([]byte(c.Addr+"\n"), c.Cert.Bytes()...)
	now := k.now()
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
		info, err := os.Stat(path)
		if err != nil || now.Sub(info.ModTime()) < seenStep {
			return err
		}
		return os.Chtimes(path, now, now)
	}
	if err := atomicfile.Write(path, text, 0o600, nil); err != nil {
		return fmt.Errorf("keeping a contact: %w", err)
	}
	if k.puts++; k.puts%(maxContacts/20) == 0 {
		return k.prune(maxContacts)
	}
	return nil
}

// prune removes the contacts that have not written for longest while there are more than
// n, and a tenth more, so that it is seldom.
func (k *Contacts) prune(n int) error {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return fmt.Errorf("counting contacts: %w", err)
	}
	if len(entries) <= n {
		return nil
	}
	type seen struct {
		name string
		at   time.Time
	}
	var all []seen
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			all = append(all, seen{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b seen) int { return a.at.Compare(b.at) })
	for _, old := range all[:min(len(all), len(all)-n+n/10)] {
		if err := os.Remove(filepath.Join(k.dir, old.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a contact: %w", err)
		}
	}
	return nil
}
