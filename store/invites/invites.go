// Package invites keeps invite tokens in a directory:
//
//	DIR/tokens.json   the tokens' digests, with uses left, expiry and note
//	DIR/key           see KeyFile
//	DIR/lock          held while tokens.json is read and written
//
// The web daemon takes uses, "chatmaild invite" does the rest; both hold the lock,
// so that no use is given twice. A token itself is written nowhere.
package invites

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/store/atomicfile"
	"chatmaild/store/safefs"
)

// Errors.
var (
	ErrNotValid = errors.New("no such invite, or it is used up or expired")
	ErrNoInvite = errors.New("no such invite")
)

// maxInvites bounds the tokens that are kept. Expired and used ones do not count.
const maxInvites = 10_000

// IDLength is how much of a digest names its token to people, in hex digits.
const IDLength = 8

// Invite is a token, as far as it is known.
type Invite struct {
	ID      string    `json:"id"`
	Digest  string    `json:"digest,omitempty"` // SHA-256 of the token, in hex
	Uses    int       `json:"uses_left"`
	Expires time.Time `json:"expires"`
	Note    string    `json:"note,omitempty"`
}

// Valid reports whether the invite may be used at the time now.
func (i *Invite) Valid(now time.Time) bool { return i.Uses > 0 && now.Before(i.Expires) }

// Tokens are the invites of a relay: a Store on one machine, or the directory of several.
// Their methods may be called concurrently, by several processes.
type Tokens interface {
	// Create notes a new token. Those that are of no use any more go.
	Create(ctx context.Context, token string, uses int, expires time.Time, note string, now time.Time) (Invite, error)
	// List returns the invites, without their digests.
	List(ctx context.Context) ([]Invite, error)
	// Revoke forgets the invite with the given id. It fails with ErrNoInvite.
	Revoke(ctx context.Context, id string) error
	// Use takes one use of token. It fails with ErrNotValid, and is durable.
	Use(ctx context.Context, token string, now time.Time) error
}

var _ Tokens = (*Store)(nil)

// New returns the invite of a token.
func New(token string, uses int, expires time.Time, note string) Invite {
	digest := Digest(token)
	return Invite{ID: digest[:IDLength], Digest: digest, Uses: uses, Expires: expires.UTC().Truncate(time.Second), Note: note}
}

// Store is a directory of tokens. Its methods may be called concurrently, by several
// processes.
type Store struct{ dir string }

// Open returns the store in dir, creating it if needed. It does everything as the
// current user; root uses it within safefs.As.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("opening the invites: %w", err)
	}
	return &Store{dir}, nil
}

// Create implements Tokens.
func (s *Store) Create(_ context.Context, token string, uses int, expires time.Time, note string, now time.Time) (Invite, error) {
	invite := New(token, uses, expires, note)
	err := s.change(func(all []Invite) ([]Invite, error) {
		all = slices.DeleteFunc(all, func(i Invite) bool { return !i.Valid(now) })
		if err := Room(len(all)); err != nil {
			return nil, err
		}
		return append(all, invite), nil
	})
	return invite, err
}

// List implements Tokens.
func (s *Store) List(context.Context) ([]Invite, error) {
	unlock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	all, err := s.read()
	for i := range all {
		all[i].Digest = ""
	}
	return all, err
}

// Revoke implements Tokens.
func (s *Store) Revoke(_ context.Context, id string) error {
	return s.change(func(all []Invite) ([]Invite, error) {
		kept := slices.DeleteFunc(all, func(i Invite) bool { return i.ID == id })
		if len(kept) == len(all) {
			return nil, ErrNoInvite
		}
		return kept, nil
	})
}

// Use implements Tokens.
func (s *Store) Use(_ context.Context, token string, now time.Time) error {
	digest := Digest(token)
	return s.change(func(all []Invite) ([]Invite, error) {
		for i := range all {
			// An attacker who could tell digests apart by time would not come
			// nearer to a token.
			if all[i].Digest == digest && all[i].Valid(now) {
				all[i].Uses--
				return all, nil
			}
		}
		return nil, ErrNotValid
	})
}

// Room fails if no invite can be added to n that are valid.
func Room(n int) error {
	if n >= maxInvites {
		return fmt.Errorf("there are %d invites already; revoke some", n)
	}
	return nil
}

// Digest is what is kept of a token.
func Digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// change replaces the invites by what f makes of them, unless it fails.
func (s *Store) change(f func([]Invite) ([]Invite, error)) error {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	all, err := s.read()
	if err != nil {
		return err
	}
	if all, err = f(all); err != nil {
		return err
	}
	text, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return fmt.Errorf("writing the invites: %w", err)
	}
	return atomicfile.Write(s.file(), append(text, '\n'), 0o600, nil)
}

func (s *Store) file() string { return filepath.Join(s.dir, "tokens.json") }

func (s *Store) read() ([]Invite, error) {
	text, err := safefs.ReadFile(s.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the invites: %w", err)
	}
	var all []Invite
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("reading the invites: %s: %w", s.file(), err)
	}
	return all, nil
}

// lock keeps everybody else out until unlock is called.
func (s *Store) lock() (unlock func(), err error) {
	path := filepath.Join(s.dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the invites: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking the invites: %w", err)
	}
	return func() { f.Close() }, nil
}
