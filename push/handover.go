package push

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// KeptKey, with an account's address behind it, is the dict key of what is kept of the
// account, for a mailbox that gets another home.
const KeptKey = "chatmaild/kept/"

// Kept is what is kept of an account. Its tokens are secrets.
type Kept struct {
	Tokens []KeptToken `json:"tokens,omitempty"`
	// Waiting says that a notification waits.
	Waiting bool `json:"waiting,omitempty"`
}

// KeptToken is a token that leaves its database.
type KeptToken struct {
	Text string `json:"text"`
	Seen int64  `json:"seen"` // Unix seconds
}

// maxKept bounds the tokens that fit in a line of the dict protocol, in bytes: of more, and
// as large ones as no service has, the newest. keptOverhead is what one has around it.
const (
	maxKept      = 60_000
	keptOverhead = 64
)

// kept returns what is kept of an account, as JSON.
func (s *Metadata) kept(account string) (string, bool, error) {
	tokens, err := s.Registry.Tokens(account)
	if err != nil {
		return "", false, err
	}
	var k Kept
	valid, size := Valid(tokens, s.Now()), 0
	slices.SortFunc(valid, func(a, b Token) int { return b.Seen.Compare(a.Seen) })
	for _, t := range valid {
		if size += len(t.Text) + keptOverhead; size > maxKept {
			break
		}
		k.Tokens = append(k.Tokens, KeptToken{t.Text, t.Seen.Unix()})
	}
	k.Waiting = s.Registry.Waiting(tokens)
	text, err := json.Marshal(k)
	if err != nil {
		return "", false, fmt.Errorf("writing what is kept of an account: %w", err)
	}
	return string(text), true, nil
}

// keep takes over what another machine has kept of an account.
func (s *Metadata) keep(account, text string) error {
	var k Kept
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return fmt.Errorf("reading what is kept of an account: %w", plain(err))
	}
	slices.SortFunc(k.Tokens, func(a, b KeptToken) int { return cmp.Compare(a.Seen, b.Seen) })
	now := s.Now()
	for _, t := range k.Tokens {
		if err := CheckToken(t.Text); err != nil {
			return err
		}
		seen := time.Unix(t.Seen, 0)
		if seen.After(now) {
			seen = now
		}
		if err := s.Registry.Register(account, t.Text, seen); err != nil {
			return err
		}
	}
	if !k.Waiting {
		return nil
	}
	fresh, err := s.Registry.Notify(account, now)
	if err != nil {
		return err
	}
	s.Fresh(fresh)
	return nil
}

// keptAccount returns the account of a KeptKey.
func keptAccount(key string) (account string, ok bool) { return strings.CutPrefix(key, KeptKey) }
