package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Profile is one account of a client.
type Profile struct {
	Client *Client
	ID     uint32
	Name   string
	Addr   string // known once it is configured

	Events *History
}

// A Message is the part of the core's message object that tests look at.
type Message struct {
	ID            uint32 `json:"id"`
	ChatID        uint32 `json:"chatId"`
	FromID        uint32 `json:"fromId"`
	Text          string `json:"text"`
	IsInfo        bool   `json:"isInfo"`
	IsSetup       bool   `json:"isSetupmessage"` // of Autocrypt; only old versions know it
	ShowPadlock   bool   `json:"showPadlock"`
	State         int    `json:"state"`
	DownloadState string `json:"downloadState"`
	File          string `json:"file"`
	FileBytes     int64  `json:"fileBytes"`
	FileName      string `json:"fileName"`
	Error         string `json:"error"`
}

// Downloaded is the DownloadState of a message that is there as a whole.
const Downloaded = "Done"

// NewProfile adds an account that is not set up yet.
func (c *Client) NewProfile(ctx context.Context, name string) (*Profile, error) {
	p := &Profile{Client: c, Name: name}
	if err := c.Call(ctx, &p.ID, "add_account"); err != nil {
		return nil, err
	}
	p.Events = c.history(p.ID)
	return p, p.Call(ctx, nil, "set_config", "displayname", name)
}

// SignUp adds a profile and sets it up.
func (c *Client) SignUp(ctx context.Context, name, qr string) (*Profile, error) {
	p, err := c.NewProfile(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := p.SignUp(ctx, qr); err != nil {
		return nil, err
	}
	return p, nil
}

// SignUp sets a profile up from a QR code such as "DCACCOUNT:_relay.test" – all
// that a user of a chatmail relay ever does – and returns once it waits for
// mail.
func (p *Profile) SignUp(ctx context.Context, qr string) error {
	// The core may connect as soon as it has a transport.
	from := p.Position()
	if err := p.Call(ctx, nil, "add_transport_from_qr", qr); err != nil {
		return fmt.Errorf("signing %s up: %w", p.Name, err)
	}
	return p.StartIOFrom(ctx, from)
}

// StartIO connects a profile that is set up and waits until it waits for mail.
func (p *Profile) StartIO(ctx context.Context) error { return p.StartIOFrom(ctx, p.Position()) }

// StartIOFrom takes for the sign of it any event from a position on.
func (p *Profile) StartIOFrom(ctx context.Context, from int) error {
	if err := p.Call(ctx, &p.Addr, "get_config", "configured_addr"); err != nil {
		return err
	}
	if err := p.Call(ctx, nil, "start_io"); err != nil {
		return err
	}
	_, err := p.Wait(ctx, from, ImapInboxIdle, nil)
	return err
}

// A Transport is one of a profile's accounts on relays.
type Transport struct{ Addr, Password string }

// Transports are all accounts of the profile.
func (p *Profile) Transports(ctx context.Context) (accounts []Transport, err error) {
	err = p.Call(ctx, &accounts, "list_transports")
	return accounts, err
}

// Password is what a profile with a single account logs in with.
func (p *Profile) Password(ctx context.Context) (string, error) {
	accounts, err := p.Transports(ctx)
	if err != nil {
		return "", err
	}
	if len(accounts) != 1 {
		return "", fmt.Errorf("%s has %d transports", p.Name, len(accounts))
	}
	return accounts[0].Password, nil
}

// Addresses are those of all relays that the profile has an account on.
func (p *Profile) Addresses(ctx context.Context) (addrs []string, err error) {
	accounts, err := p.Transports(ctx)
	for _, a := range accounts {
		addrs = append(addrs, a.Addr)
	}
	return addrs, err
}

// Call calls a method of the core whose first parameter is the account.
func (p *Profile) Call(ctx context.Context, result any, method string, params ...any) error {
	return p.Client.Call(ctx, result, method, append([]any{p.ID}, params...)...)
}

// Position is where the next event will stand in the profile's history.
func (p *Profile) Position() int { return p.Events.end() }

// Wait waits for the first event of a kind, at or after a position, that
// matches (nil: any).
func (p *Profile) Wait(ctx context.Context, from int, kind string, match func(Event) bool) (Event, error) {
	e, _, err := p.Events.Next(ctx, from, func(e Event) bool {
		return e.Kind == kind && (match == nil || match(e))
	})
	if err != nil {
		return e, fmt.Errorf("%s waiting for %s: %w; its last events:\n%s", p.Name, kind, err, p.Events.Last(15))
	}
	return e, nil
}

// Until waits until a condition holds, which it looks at again after each event.
func (p *Profile) Until(ctx context.Context, what string, holds func() (bool, error)) error {
	from := p.Position()
	for {
		ok, err := holds()
		if err == nil && !ok {
			_, from, err = p.Events.Next(ctx, from, func(Event) bool { return true })
		}
		if err != nil {
			return fmt.Errorf("%s waiting for %s: %w; its last events:\n%s", p.Name, what, err, p.Events.Last(15))
		}
		if ok {
			return nil
		}
	}
}

// SecureJoin scans the inviter's QR code – a contact's, or with chat a group's
// – and waits until both sides have verified each other. It returns the chat
// on our side.
func (p *Profile) SecureJoin(ctx context.Context, inviter *Profile, group *uint32) (chat uint32, err error) {
	var qr string
	if err := inviter.Call(ctx, &qr, "get_chat_securejoin_qr_code", group); err != nil {
		return 0, err
	}
	ours, theirs := p.Position(), inviter.Position()
	if err := p.Call(ctx, &chat, "secure_join", qr); err != nil {
		return 0, err
	}
	done := func(e Event) bool { return e.Progress == Complete }
	if _, err := p.Wait(ctx, ours, JoinerProgress, done); err != nil {
		return 0, err
	}
	_, err = inviter.Wait(ctx, theirs, InviterProgress, done)
	return chat, err
}

// ChatWith returns the chat with another profile that is already a contact.
func (p *Profile) ChatWith(ctx context.Context, other *Profile) (chat uint32, err error) {
	contact, err := p.Contact(ctx, other)
	if err != nil {
		return 0, err
	}
	err = p.Call(ctx, &chat, "create_chat_by_contact_id", contact)
	return chat, err
}

// Contact returns the contact of another profile, which has a key since
// SecureJoin. It has one of the other's addresses; of a profile without a client, such
// as the echo bot, only one is known.
func (p *Profile) Contact(ctx context.Context, other *Profile) (uint32, error) {
	addrs := []string{other.Addr}
	if other.Client != nil {
		all, err := other.Addresses(ctx)
		if err != nil {
			return 0, err
		}
		addrs = append(addrs, all...)
	}
	// Without a query the core leaves out contacts that have only scanned our code.
	for _, addr := range addrs {
		var contacts []struct {
			ID      uint32 `json:"id"`
			Address string `json:"address"`
		}
		if err := p.Call(ctx, &contacts, "get_contacts", 0, addr); err != nil {
			return 0, err
		}
		for _, c := range contacts {
			if strings.EqualFold(addr, c.Address) {
				return c.ID, nil
			}
		}
	}
	return 0, fmt.Errorf("%s has no contact %s, %v", p.Name, other.Name, addrs)
}

// SendText sends a text and returns the id of the message.
func (p *Profile) SendText(ctx context.Context, chat uint32, text string) (id uint32, err error) {
	err = p.Call(ctx, &id, "misc_send_text_message", chat, text)
	return id, err
}

// SendFile sends a file as an attachment.
func (p *Profile) SendFile(ctx context.Context, chat uint32, file string) (id uint32, err error) {
	err = p.Call(ctx, &id, "send_msg", chat, map[string]any{
		"file": file, "filename": filepath.Base(file), "viewtype": "File",
	})
	return id, err
}

// Message returns a message by its id.
func (p *Profile) Message(ctx context.Context, id uint32) (m Message, err error) {
	err = p.Call(ctx, &m, "get_message", id)
	return m, err
}

// WaitText waits for an incoming message with exactly this text, however long
// ago it came, and tells when its event reached us.
func (p *Profile) WaitText(ctx context.Context, text string) (Message, time.Time, error) {
	return WaitTextFrom(ctx, p, 0, text)
}

// WaitTextFrom is WaitText for one that comes at or after a position: where there are many
// messages, that spares the core to look at all of them.
func WaitTextFrom(ctx context.Context, p *Profile, from int, text string) (Message, time.Time, error) {
	return waitMessage(ctx, p, from, fmt.Sprintf("the text %q", text), func(m Message) bool { return m.Text == text })
}

// WaitFile waits for an incoming message with a file of this name, until it is
// downloaded: large files come after a small message that announces them.
func (p *Profile) WaitFile(ctx context.Context, name string) (Message, error) {
	m, _, err := p.WaitMessage(ctx, "the file "+name, func(m Message) bool { return m.FileName == name })
	if err != nil {
		return m, err
	}
	err = p.Until(ctx, "the whole file "+name, func() (done bool, err error) {
		m, err = p.Message(ctx, m.ID)
		return m.DownloadState == Downloaded, err
	})
	return m, err
}

// WaitMessage waits for a message that matches, however long ago it came, and tells when its
// event reached us.
func (p *Profile) WaitMessage(ctx context.Context, what string, match func(Message) bool) (Message, time.Time, error) {
	return waitMessage(ctx, p, 0, what, match)
}

func waitMessage(ctx context.Context, p *Profile, from int, what string, match func(Message) bool) (Message, time.Time, error) {
	for {
		e, after, err := p.Events.Next(ctx, from, func(e Event) bool {
			return e.Kind == IncomingMsg || e.Kind == MsgsChanged && e.MsgID != 0
		})
		if err != nil {
			return Message{}, time.Time{}, fmt.Errorf("%s waiting for %s: %w; its last events:\n%s", p.Name, what, err, p.Events.Last(15))
		}
		from = after
		if m, err := p.Message(ctx, e.MsgID); err == nil && match(m) {
			return m, e.At, nil
		}
	}
}

// Texts returns the texts of all messages of a chat.
func (p *Profile) Texts(ctx context.Context, chat uint32) ([]string, error) {
	var ids []uint32
	if err := p.Call(ctx, &ids, "get_message_ids", chat, false, false); err != nil {
		return nil, err
	}
	var texts []string
	for _, id := range ids {
		m, err := p.Message(ctx, id)
		if err != nil {
			return nil, err
		}
		texts = append(texts, m.Text)
	}
	return texts, nil
}

// AddDevice makes this client a second device of another one's profile, by a backup file as
// the apps do, and connects it.
func (c *Client) AddDevice(ctx context.Context, p *Profile, name string) (*Profile, error) {
	dir, err := os.MkdirTemp(p.Client.Dir, "backup")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// Exporting wants the database for itself.
	if err := p.Call(ctx, nil, "stop_io"); err != nil {
		return nil, err
	}
	if err := p.Call(ctx, nil, "export_backup", dir, nil); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tar"))
	if err != nil || len(files) != 1 {
		return nil, errors.Join(errors.New("the core made no backup"), err)
	}
	second, err := c.NewProfile(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := second.Call(ctx, nil, "import_backup", files[0], nil); err != nil {
		return nil, err
	}
	// As the apps do: the core answers only the devices that it knows of.
	for _, device := range []*Profile{p, second} {
		if err := device.Call(ctx, nil, "set_config", "bcc_self", "1"); err != nil {
			return nil, err
		}
		if err := device.StartIO(ctx); err != nil {
			return nil, err
		}
	}
	return second, nil
}
