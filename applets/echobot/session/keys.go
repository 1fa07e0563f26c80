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
	maxKeys  = 20000          // files; each takes 4 KiB on most disks
	seenStep = 24 * time.Hour // how exactly it is known when a key was seen last
)

// Keys is a folder of public keys, each under its fingerprint. The time of a file
// is when the key was seen last.
type Keys struct {
	dir  string
	now  func() time.Time
	puts int
}

var _ bot.Keys = (*Keys)(nil)

// OpenKeys makes the folder if need be.
func OpenKeys(dir string, now func() time.Time) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder of keys: %w", err)
	}
	k := &Keys{dir: dir, now: now}
	return k, k.prune(maxKeys)
}

// Get implements bot.Keys.
func (k *Keys) Get(print string) *chat.Cert {
	if !chat.ValidFingerprint(print) {
		return nil
	}
	octets, err := os.ReadFile(filepath.Join(k.dir, print))
	if err != nil {
		return nil
	}
	c, err := chat.ParseCert(octets)
	if err != nil || c.Fingerprint() != print {
		return nil
	}
	return c
}

// Put implements bot.Keys.
func (k *Keys) Put(c *chat.Cert, own bool) error {
	path := filepath.Join(k.dir, c.Fingerprint())
	now := k.now()
	info, err := os.Stat(path)
	switch {
	case err == nil && (!own || k.holds(path, c)):
		if now.Sub(info.ModTime()) < seenStep {
			return nil
		}
		return os.Chtimes(path, now, now)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("looking for a key: %w", err)
	}
	if err := atomicfile.Write(path, c.Octets(), 0o600, nil); err != nil {
		return fmt.Errorf("keeping a key: %w", err)
	}
	if k.puts++; k.puts%(maxKeys/20) == 0 {
		return k.prune(maxKeys)
	}
	return nil
}

func (k *Keys) holds(path string, c *chat.Cert) bool {
	octets, err := os.ReadFile(path)
	return err == nil && bytes.Equal(octets, c.Octets())
}

// prune removes the keys that were not seen for longest while there are more than
// n, and a tenth more, so that it is seldom.
func (k *Keys) prune(n int) error {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return fmt.Errorf("counting keys: %w", err)
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
			return fmt.Errorf("removing a key: %w", err)
		}
	}
	return nil
}
