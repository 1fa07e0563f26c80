package snapshot

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/transfer/archive"
	"chatmaild/applets/config"
)

const (
	domain     = "chat.example.org"
	configPath = "/etc/chatmail/chatmail.toml"
	mailDir    = "/home/vmail/mail/" + domain
)

// machine is a directory that stands for a whole machine.
type machine struct {
	t    testing.TB
	root string
}

func newMachine(t *testing.T) machine { return machine{t, t.TempDir()} }

// put writes files: pairs of a path and a content.
func (m machine) put(pairs ...string) machine {
	m.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		path := filepath.Join(m.root, pairs[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			m.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(pairs[i+1]), 0o600); err != nil {
			m.t.Fatal(err)
		}
		at := time.Unix(1_700_000_000+int64(len(pairs[i+1])), 0)
		if err := os.Chtimes(path, at, at); err != nil {
			m.t.Fatal(err)
		}
	}
	return m
}

// mail is the path of something in a mailbox.
func mail(user, rel string) string { return mailDir + "/" + user + "@" + domain + "/" + rel }

// relay is a machine with all kinds of pieces.
func relay(t *testing.T) machine {
	m := newMachine(t).put(
		configPath, "mail_domain = \""+domain+"\"\nwww_folder = \"/srv/www\"\nappversions_file = \"/etc/chatmail/appversions.json\"\n"+
			"turn_server = \"turn.example.org:3478\"\nturn_server_secret = \"/etc/chatmail/turn-secret\"\n",
		"/etc/chatmail/turn-secret", "for calls",
		"/etc/chatmail/appversions.json", "versions",
		"/etc/chatmail-nocreate", "",
		"/etc/dkimkeys/opendkim.private", "dkim key",
		"/etc/dkimkeys/chatmaild.keytable", "made by run",
		"/etc/chatmail/tls/privkey.pem", "tls key",
		"/srv/www/index.md", "hello",
		"/var/lib/chatmaild/metadata/metadata.db", "tokens",
		"/var/lib/chatmaild/expire/expire.json", "last run",
		"/var/lib/chatmaild/acme/account.key", "account",
		"/var/lib/chatmaild/invites/one", "invite",
		"/var/lib/chatmaild/restore.json", "of this machine",
		"/var/lib/chatmaild/submission/certificate.pem", "a copy",
		mailDir+"/.new-123/password", "half made",
	)
	for _, user := range []string{"alice", "bob", "carol"} {
		m.put(
			mail(user, "password"), "{BLF-CRYPT}"+user,
			mail(user, "enforceE2EEincoming"), "",
			mail(user, "new/1700000001.M1P1.host,S=5"), "mail1",
			mail(user, "cur/1700000002.M1P1.host,S=5:2,S"), "mail2",
			mail(user, "cur/1700000003.M1P1.host,S=5:2,"), strings.Repeat("large", 200_000),
			mail(user, "tmp/unfinished"), "un",
			mail(user, ".Sent.in/cur/1700000004.M1P1.host:2,"), "sent",
			mail(user, "dovecot-uidlist"), "3 V1 N4",
			mail(user, "dovecot.index.log"), "log",
			mail(user, "dovecot.index.cache"), "cache",
			mail(user, "maildirsize"), "sizes",
			mail(user, "dovecot-uidlist.lock"), "lock",
		)
	}
	return m
}

// tree is all files of a machine, by path, with content and time, as one text.
func (m machine) tree() string {
	m.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(m.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(path, m.root)
		if d.IsDir() {
			if strings.Contains(rel, "@") {
				fmt.Fprintf(&b, "%s/ %v\n", rel, info.Mode())
			}
			return nil
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %v %d %q\n", rel, info.Mode(), info.ModTime().Unix(), text[:min(len(text), 30)])
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return b.String()
}

// wanted is the tree of a machine without what an archive leaves out.
func (m machine) wanted() string {
	var b strings.Builder
	for line := range strings.Lines(m.tree()) {
		out := false
		for _, part := range []string{".keytable", "restore.json", "submission/certificate.pem", "/.new-123/", "unfinished", ".cache", "maildirsize", ".lock", configPath} {
			out = out || strings.Contains(line, part)
		}
		if !out {
			b.WriteString(line)
		}
	}
	return b.String()
}

func (m machine) source() *Source {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.root, configPath))
	if err != nil {
		m.t.Fatal(err)
	}
	conf, err := config.Parse(configPath, string(text))
	if err != nil {
		m.t.Fatal(err)
	}
	return &Source{
		Layout: Layout{Conf: conf, ConfigPath: configPath, Root: m.root}, Owners: &Owners{},
		Warn: func(text string) { m.t.Error(text) },
	}
}

func newHead(update bool) *archive.Head {
	return &archive.Head{Format: archive.Version, ID: "ID", Domain: domain, Update: update}
}

func nothing(archive.State) error { return nil }

// pack returns the archive of a machine, or its difference to an inventory.
func (m machine) pack(have io.Reader) []byte {
	m.t.Helper()
	var out bytes.Buffer
	w := archive.NewWriter(&out, "ID")
	if err := m.source().Write(m.t.Context(), w, Options{Head: newHead(have != nil), Have: have, Done: nothing}); err != nil {
		m.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		m.t.Fatal(err)
	}
	return out.Bytes()
}

func (m machine) unpack(in io.Reader, after string) (last archive.State, err error) {
	m.t.Helper()
	r, err := archive.NewReader(in)
	if err != nil {
		m.t.Fatal(err)
	}
	target := m.target()
	if err := target.Begin(r); err != nil {
		m.t.Fatal(err)
	}
	return last, target.Receive(m.t.Context(), after, func(s archive.State) error {
		last = s
		return nil
	})
}

func (m machine) target() *Target {
	return &Target{Layout: Layout{Root: m.root, ConfigPath: configPath}, Owners: &Owners{}}
}

func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got\n%s\nwant\n%s", what, got, want)
	}
}
