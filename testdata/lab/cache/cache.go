// Package cache holds what the lab builds or downloads once: Debian roots, packages of npm
// and Debian's, programs. Beside them lie the directories of the runs.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is how often a waiting process looks whether a cache lock is free.
const lockPoll = 200 * time.Millisecond

// Dir is the directory that holds roots, npm packages and the run directories:
// $CHATMAILD_LAB_CACHE, or chatmaild-lab in the user's cache directory.
func Dir() (string, error) {
	if dir := os.Getenv("CHATMAILD_LAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the lab's cache directory: %w", err)
	}
	return filepath.Join(base, "chatmaild-lab"), nil
}

// Fingerprint names a cache entry by all that it is made from.
func Fingerprint(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:6])
}

// Get returns the directory NAME in the cache, having built it first if it is
// not there. Two processes that want it at the same time build it once; an
// interrupted build leaves nothing that a later one could take for whole.
func Get(ctx context.Context, name string, build func(ctx context.Context, dir string) error) (string, error) {
	cache, err := Dir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	dir := filepath.Join(cache, name)
	unlock, err := Lock(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	if err := build(ctx, tmp); err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	return dir, os.Rename(tmp, dir)
}

// Lock takes the exclusive lock on path, waiting for it until ctx ends. The
// lock goes with the process at the latest.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	for {
		unlock, err = TryLock(path)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for %s: %w", path, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// TryLock is Lock that fails with EWOULDBLOCK instead of waiting.
func TryLock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
