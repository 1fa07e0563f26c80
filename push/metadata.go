package push

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// Keys of METADATA entries, behind the mailbox's GUID.
const (
	deviceToken = "devicetoken"

	// Entries that only our Lua script sets, in a delivery: messageNew wakes the user's
	// devices; messageOwn is for a copy of what one of them sent, and wakes none.
	messageNew = "messagenew"
	messageOwn = "messageown"

	// serverEntries is where Dovecot keeps the entries of the server, as opposed
	// to those of a mailbox (imap-metadata, mailbox-attribute.h).
	serverEntries = "vendor/vendor.dovecot/pvt/server/vendor/deltachat/"
)

// ErrUnknownKey answers a client that wants to store what nobody would read.
var ErrUnknownKey = errors.New("no such METADATA entry can be set")

// ErrManyTokens answers a client that stores new tokens all the time.
var ErrManyTokens = errors.New("the account has stored too many new push tokens; try again in a minute")

// errNoUser says that Dovecot did not name a user.
var errNoUser = errors.New("the request names no user")

// Registry keeps the tokens and, in the same place, the queue. What its methods did
// is durable when they return.
type Registry interface {
	// Tokens returns the tokens of an account, old ones too.
	Tokens(account string) ([]Token, error)
	// Register adds or refreshes a token.
	Register(account, token string, now time.Time) error
	// Forget removes all tokens of an account.
	Forget(account string) error
	// Notify queues a notification for each valid token of an account and
	// returns the entries that should be sent at once.
	Notify(account string, now time.Time) ([]Key, error)
	// Waiting reports whether a notification waits for one of an account's tokens.
	Waiting(tokens []Token) bool
}

// Metadata answers Dovecot's requests for METADATA entries, for which Dovecot's
// dict keys are priv/GUID/ENTRY and shared/GUID/ENTRY.
type Metadata struct {
	Registry Registry
	// Values are the server's entries, by the name that a client sees behind
	// /shared/vendor/deltachat/.
	Values map[string]string
	// Turn makes what a user reads there as "turn"; nil if there is nothing.
	Turn func(user string) string
	// AppVersions is what clients read there as "appversions", "" if there is nothing. It
	// may change.
	AppVersions func() string
	// Fresh takes the entries that should be sent at once. It must not block.
	Fresh func([]Key)
	// NewToken says whether an account may register another new token now, and counts
	// it if so.
	NewToken func(account string) bool
	Now      func() time.Time
}

// Lookup returns the value of a METADATA entry.
func (s *Metadata) Lookup(key, user string) (value string, found bool, err error) {
	if account, ok := keptAccount(key); ok {
		return s.kept(account)
	}
	space, entry := splitKey(key)
	switch {
	case space == "priv" && entry == deviceToken:
		if user == "" {
			return "", false, errNoUser
		}
		return s.tokens(user)
	case space == "shared" && strings.HasPrefix(entry, serverEntries):
		name := entry[len(serverEntries):]
		if name == "turn" && s.Turn != nil {
			return s.Turn(user), true, nil
		}
		if name == "appversions" && s.AppVersions != nil {
			value = s.AppVersions()
			return value, value != "", nil
		}
		value, found = s.Values[name]
		return value, found, nil
	default:
		return "", false, nil
	}
}

func (s *Metadata) tokens(user string) (value string, found bool, err error) {
	tokens, err := s.Registry.Tokens(user)
	if err != nil {
		return "", false, err
	}
	var texts []string
	for _, t := range Valid(tokens, s.Now()) {
		texts = append(texts, t.Text)
	}
	return strings.Join(texts, " "), len(texts) > 0, nil
}

// Delivery reports whether a key says that a message was delivered: then Dovecot waits
// with its reply for ours.
func Delivery(key string) bool {
	space, entry := splitKey(key)
	return space == "priv" && (entry == messageNew || entry == messageOwn)
}

// Set stores a push token, or notifies the user's devices of a delivery.
func (s *Metadata) Set(key, user, value string) error {
	if account, ok := keptAccount(key); ok {
		return s.keep(account, value)
	}
	space, entry := splitKey(key)
	switch {
	case user == "":
		return errNoUser
	case space == "priv" && entry == deviceToken:
		if err := CheckToken(value); err != nil {
			return err
		}
		if err := s.admit(user, value); err != nil {
			return err
		}
		return s.Registry.Register(user, value, s.Now())
	case space == "priv" && entry == messageNew:
		fresh, err := s.Registry.Notify(user, s.Now())
		if err != nil {
			return err
		}
		s.Fresh(fresh)
		return nil
	case space == "priv" && entry == messageOwn:
		return nil
	default:
		return ErrUnknownKey
	}
}

// admit returns ErrManyTokens if a token is new and the account may have no new one now.
func (s *Metadata) admit(user, token string) error {
	tokens, err := s.Registry.Tokens(user)
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(tokens, func(t Token) bool { return t.Text == token })
	if !known && !s.NewToken(user) {
		return ErrManyTokens
	}
	return nil
}

// Unset removes all push tokens of the user (SETMETADATA with NIL).
func (s *Metadata) Unset(key, user string) error {
	space, entry := splitKey(key)
	switch {
	case user == "":
		return errNoUser
	case space == "priv" && entry == deviceToken:
		return s.Registry.Forget(user)
	default:
		return ErrUnknownKey
	}
}

// splitKey returns the name space and the entry of a dict key. The GUID between
// them is of no interest: an account has one set of tokens.
func splitKey(key string) (space, entry string) {
	space, rest, _ := strings.Cut(key, "/")
	_, entry, _ = strings.Cut(rest, "/")
	return space, entry
}
