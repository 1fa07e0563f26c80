package bot

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chatmaild/applets/chat"
)

// Local is what stands before the "@" of the bot's address. Package auth keeps
// others from taking it.
const Local = "echo"

// Name is what others see.
const Name = "Echo bot"

// An Identity is all that makes the bot the one that its contacts know. It is
// made once, and moves with the relay: it does not hold the domain.
type Identity struct {
	Password string // of its account
	Key      *chat.Key
	Number   string // the tokens of its invite link
	Auth     string
}

// identityFile is the form of the file.
type identityFile struct {
	Password string `json:"password"`
	Key      string `json:"key"` // armored; has no passphrase
	Number   string `json:"invite_number"`
	Auth     string `json:"invite_auth"`
}

// NewIdentity makes a fresh one.
func NewIdentity(domain string, now time.Time) (*Identity, error) {
	key, err := chat.GenerateKey(Local+"@"+domain, now)
	if err != nil {
		return nil, err
	}
	return &Identity{Password: chat.NewToken(), Key: key, Number: chat.NewToken(), Auth: chat.NewToken()}, nil
}

// ParseIdentity reads what [Identity.Marshal] wrote.
func ParseIdentity(text []byte) (*Identity, error) {
	var f identityFile
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("the echo bot's identity: %w", err)
	}
	if f.Password == "" || f.Number == "" || f.Auth == "" {
		return nil, errors.New("the echo bot's identity: the password or a token is missing")
	}
	key, err := chat.ParseKey([]byte(f.Key))
	if err != nil {
		return nil, fmt.Errorf("the echo bot's identity: %w", err)
	}
	return &Identity{Password: f.Password, Key: key, Number: f.Number, Auth: f.Auth}, nil
}

// Marshal returns the identity as it is kept. It is a secret.
func (id *Identity) Marshal() ([]byte, error) {
	key, err := id.Key.Armor()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(identityFile{id.Password, string(key), id.Number, id.Auth}, "", "  ")
	return append(text, '\n'), err
}

// Self is who the bot is on a relay.
func (id *Identity) Self(domain string) *chat.Self {
	return &chat.Self{Addr: Local + "@" + domain, Name: Name, Key: id.Key, MaxText: 2 * MaxMail}
}

func (id *Identity) inviter(domain string) *chat.Inviter {
	return &chat.Inviter{Self: id.Self(domain), Number: id.Number, Auth: id.Auth, Automatic: true}
}

// InviteLink returns the link by which people reach the bot.
func (id *Identity) InviteLink(domain string) string {
	return id.inviter(domain).Invite().Link()
}
