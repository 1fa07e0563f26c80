package push

import (
	"errors"
	"slices"
	"time"
)

// Bounds of an account's tokens.
const (
	MaxTokenLength = 4096 // characters; what Delta Chat keeps to
	MaxTokens      = 16   // of one account: its devices, and what they left behind
	MaxTokenAge    = 90 * 24 * time.Hour

	// seenPrecision is how exactly it is known when a token was last seen. Clients
	// set their token at each connection; most of these change nothing on disk.
	seenPrecision = 24 * time.Hour
)

// ErrBadToken says that a client wants to store what cannot be a push token.
var ErrBadToken = errors.New("a push token has 1 to 4096 printable characters and no space")

// Token is one device that wants to hear of an account's mail.
type Token struct {
	ID   uint64 // unique over all accounts and times; 0: not stored yet
	Text string // what the notification service understands; a secret
	Seen time.Time
}

// CheckToken returns ErrBadToken if text cannot be a token. The space is left out:
// it separates tokens where a client reads them.
func CheckToken(text string) error {
	if len(text) == 0 || len(text) > MaxTokenLength {
		return ErrBadToken
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return ErrBadToken
		}
	}
	return nil
}

// Valid returns those of tokens that are not too old.
func Valid(tokens []Token, now time.Time) []Token {
	var valid []Token
	for _, t := range tokens {
		if now.Sub(t.Seen) < MaxTokenAge {
			valid = append(valid, t)
		}
	}
	return valid
}

// Refresh returns tokens with text seen now: known or, without an ID, new. Tokens
// that are too old or too many are left out. If nothing worth storing changed,
// changed is false.
func Refresh(tokens []Token, text string, now time.Time) (fresh []Token, changed bool) {
	return Merge(tokens, []Token{{Text: text, Seen: now}}, now)
}

// Merge returns tokens with those of more added to them, as Refresh does.
func Merge(tokens, more []Token, now time.Time) (merged []Token, changed bool) {
	merged = Valid(tokens, now)
	changed = len(merged) != len(tokens)
	for _, m := range more {
		i := slices.IndexFunc(merged, func(t Token) bool { return t.Text == m.Text })
		switch {
		case now.Sub(m.Seen) >= MaxTokenAge:
		case i < 0:
			merged, changed = append(merged, m), true
		case m.Seen.Sub(merged[i].Seen) >= seenPrecision:
			merged[i].Seen, changed = m.Seen, true
		}
	}
	for len(merged) > MaxTokens {
		oldest := 0
		for i, t := range merged {
			if t.Seen.Before(merged[oldest].Seen) {
				oldest = i
			}
		}
		merged, changed = slices.Delete(merged, oldest, oldest+1), true
	}
	return merged, changed
}
