package takeover

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/chat"
	"chatmaild/applets/config"
	"chatmaild/applets/echobot/bot"
)

// TestImportEchobot takes the old bot's key out of its database, and the tokens out of
// its link; whatever is wrong with them, the takeover continues.
func TestImportEchobot(t *testing.T) {
	key, err := chat.GenerateKey("echo@"+oldDomain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := chat.GenerateKey("echo@"+oldDomain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	link := func(key *chat.Key) string {
		return "OPENPGP4FPR:" + key.Cert().Fingerprint() + "#a=echo%40" + oldDomain + "&n=&i=theNumber12&s=theAuth4567\n"
	}
	const database = pythonrelay.EchobotState + "/accounts/0d5a6c28/dc.db"
	for _, tt := range []struct {
		name          string
		files         map[string]string
		answer        string // of SQLite
		key, link     bool   // are the old ones
		noted         string
		withoutPython bool
	}{
		{name: "no bot", noted: ""},
		{
			name: "key and link", files: map[string]string{database: "db", pythonrelay.EchobotState + "/invite-link.txt": link(key)},
			answer: binaryKey(t, key), key: true, link: true,
		},
		{name: "no link", files: map[string]string{database: "db"}, answer: binaryKey(t, key), key: true},
		{
			name: "another's link", files: map[string]string{database: "db", pythonrelay.EchobotState + "/invite-link.txt": link(other)},
			answer: binaryKey(t, key), key: true,
		},
		{name: "no key", files: map[string]string{database: "db"}, answer: "\n", noted: "holds no key"},
		{name: "no key at all", files: map[string]string{database: "db"}, answer: "abcd", noted: "the key in its database"},
		{name: "no hex", files: map[string]string{database: "db"}, answer: "what?", noted: "a new one is created"},
		{name: "no program for it", files: map[string]string{database: "db"}, withoutPython: true, noted: "apt install sqlite3"},
		{
			name:  "two accounts",
			files: map[string]string{database: "db", strings.Replace(database, "0d", "0e", 1): "db"}, noted: "more than one account",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newOldRelay(t)
			for name, text := range tt.files {
				m.Write(name, text)
			}
			if !tt.withoutPython {
				m.Write("/usr/bin/python3", "")
			}
			im, out := m.importer(options{})
			run := im.machine.Command
			im.machine.Command = func(ctx context.Context, name string, args ...string) (string, error) {
				if name != "/usr/bin/python3" {
					return run(ctx, name, args...)
				}
				if got, want := args[2], filepath.Join(m.Root, importDir, "echobot/dc.db"); got != want {
					t.Errorf("asked %s, want the copy %s", got, want)
				}
				return tt.answer, nil
			}
			if err := im.run(t.Context()); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			id, err := bot.ParseIdentity([]byte(m.read(config.EchoBot(config.Defaults()).Identity())))
			if err != nil {
				t.Fatal(err)
			}
			if same := id.Key.Cert().Fingerprint() == key.Cert().Fingerprint(); same != tt.key {
				t.Errorf("the bot has the old key: %v, want %v", same, tt.key)
			}
			if same := id.Number == "theNumber12" && id.Auth == "theAuth4567"; same != tt.link {
				t.Errorf("the link has the old tokens: %v, want %v", same, tt.link)
			}
			if told := strings.Contains(out.String(), "echo bot: a new one is created"); told != (tt.noted != "") || !strings.Contains(out.String(), tt.noted) {
				t.Errorf("want the note %q in\n%s", tt.noted, out)
			}
			if told := strings.Contains(out.String(), "echo bot: its key"); told != (tt.noted == "" && len(tt.files) > 0) {
				t.Errorf("that the key is taken over is told: %v\n%s", told, out)
			}
		})
	}
}

// binaryKey is a private key as the client's database has it, in hex.
func binaryKey(t *testing.T, key *chat.Key) string {
	t.Helper()
	text, err := key.Armor()
	if err != nil {
		t.Fatal(err)
	}
	block, err := armor.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	binary, err := io.ReadAll(block.Body)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(binary)
}
