package takeover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/chat"
	"chatmaild/applets/config"
	"chatmaild/applets/echobot/bot"
)

// selfKey asks a client's database for its private key: tables keypairs and config of
// chatmail/core, src/sql/migrations.rs.
// key_id names the key in use; a database without it has had one key only, the first.
const selfKey = `SELECT private_key FROM keypairs
ORDER BY id = (SELECT value FROM config WHERE keyname = 'key_id') DESC, id LIMIT 1`

// takeEchobot takes over who the old relay's bot is: its key, and, if its invite link
// is there, the tokens in that. The relay's releases since the end of 2025 have none;
// it may still lie on the disk. If it cannot be read, the bot becomes another one.
func (im data) takeEchobot(ctx context.Context) error {
	if !im.conf.Echobot {
		return nil
	}
	name := config.EchoBot(im.conf).Identity()
	if there, err := im.machine.Exists(name); err != nil || there {
		return err // a bot that is there has contacts too
	}
	id, err := im.oldBot(ctx)
	if id == nil || err != nil {
		if err != nil {
			im.note(aboutBot, "a new one is created: the old one's key cannot be read: %v%s", err, im.botHint())
		}
		return nil
	}
	text, err := id.Marshal()
	if err != nil {
		return err
	}
	return im.put("echo bot's key", []desired.File{
		{Path: name, Content: text, Mode: 0o600, Owner: desired.EchobotUser, Group: desired.EchobotUser, Secret: true},
	})
}

// aboutBot is what notes on the bot begin with.
const aboutBot = "echo bot"

// botHint says what can be done about that: a copy waits for chatmaild run.
func (im data) botHint() string {
	if im.from == "" {
		return ""
	}
	return "; to keep it, fix that and run this again, before chatmaild run"
}

// oldBot returns who the old bot is, or nil if there never was one.
func (im data) oldBot(ctx context.Context) (*bot.Identity, error) {
	files, err := im.source.Files(path.Join(pythonrelay.EchobotState, "accounts"))
	if err != nil {
		return nil, err
	}
	var database string
	for _, name := range files {
		if path.Base(name) != "dc.db" {
			continue
		}
		// Only its program knew which of several was in use.
		if database != "" {
			return nil, errors.New("it has more than one account")
		}
		database = name
	}
	if database == "" {
		return nil, nil
	}
	key, err := im.botKey(ctx, database)
	if err != nil {
		return nil, err
	}
	// The password is a new one: run stores its hash in the bot's mailbox, and keep has the
	// former file for an undo.
	id := &bot.Identity{Password: chat.NewToken(), Key: key, Number: chat.NewToken(), Auth: chat.NewToken()}
	link, err := im.source.ReadFile(path.Join(pythonrelay.EchobotState, "invite-link.txt"))
	if err != nil {
		return id, nil // a new link leads to the same bot
	}
	invite, err := chat.ParseInvite(strings.TrimSpace(string(link)))
	// A link to another key is of an earlier bot: people who followed it would verify the
	// wrong one.
	if err == nil && invite.Number != "" && invite.Fingerprint == key.Cert().Fingerprint() {
		id.Number, id.Auth = invite.Number, invite.Auth
	}
	return id, nil
}

// botKey reads a copy of the database: its last changes are in a file beside it, and
// looking at these would write to a third one.
func (im data) botKey(ctx context.Context, database string) (*chat.Key, error) {
	if err := im.machine.MakeDirectory(privateDir); err != nil {
		return nil, err
	}
	dir := path.Join(importDir, "echobot")
	// The copy has a secret key in it, so it goes whatever happens.
	defer func() {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			_ = im.machine.Remove(path.Join(dir, "dc.db"+suffix)) // most have never been there
		}
	}()
	for _, suffix := range []string{"", "-wal"} {
		there, err := im.source.Exists(database + suffix)
		if err != nil {
			return nil, err
		}
		if !there {
			continue
		}
		if err := im.machine.CopyTree(im.source, database+suffix, path.Join(dir, "dc.db"+suffix), noOwner); err != nil {
			return nil, err
		}
	}
	binary, err := im.machine.SQLite(ctx, path.Join(dir, "dc.db"), selfKey)
	if err != nil {
		return nil, err
	}
	if len(binary) == 0 {
		return nil, errors.New("its database holds no key")
	}
	key, err := chat.ReadKey(bytes.NewReader(binary))
	if err != nil {
		return nil, fmt.Errorf("the key in its database: %w", err)
	}
	return key, nil
}

// noteEchobot says what becomes of the bot, unless it is known that it cannot.
func (im display) noteEchobot() {
	if slices.ContainsFunc(im.notes, func(n note) bool { return n.about == aboutBot }) {
		return
	}
	database, err := im.source.Files(path.Join(pythonrelay.EchobotState, "accounts"))
	if err == nil && len(database) > 0 {
		im.note(aboutBot, "its key and its invite link are taken over from %s; its chats stay there", pythonrelay.EchobotState)
	}
}
