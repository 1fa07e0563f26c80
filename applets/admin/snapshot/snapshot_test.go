package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/archive"
	"chatmaild/applets/config"
)

const (
	domain     = "chat.example.org"
	configPath = "/etc/chatmail/chatmail.toml"
	mailFolder = "/home/vmail/mail/" + domain
)

// machine is a folder that stands for a whole machine.
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
func mail(user, rel string) string { return mailFolder + "/" + user + "@" + domain + "/" + rel }

// relay is a machine with all kinds of pieces.
func relay(t *testing.T) machine {
	m := newMachine(t).put(
		configPath, "mail_domain = \""+domain+"\"\nwww_folder = \"/srv/www\"\n",
		"/etc/chatmail-nocreate", "",
		"/etc/dkimkeys/opendkim.private", "dkim key",
		"/etc/dkimkeys/chatmaild.keytable", "made by run",
		"/etc/chatmail/tls/privkey.pem", "tls key",
		"/srv/www/index.md", "hello",
		"/var/lib/chatmaild/metadata.db", "tokens",
		"/var/lib/chatmaild/acme/account.key", "account",
		"/var/lib/chatmaild/invites/one", "invite",
		"/var/lib/chatmaild/restore.json", "of this machine",
		mailFolder+"/.new-123/password", "half made",
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
		for _, part := range []string{".keytable", "restore.json", "/.new-123/", "unfinished", ".cache", "maildirsize", ".lock", configPath} {
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

func TestBackupAndRestore(t *testing.T) {
	old, young := relay(t), newMachine(t)
	last, err := young.unpack(bytes.NewReader(old.pack(nil)), "")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "restored", young.tree(), old.wanted())
	if last.Last != "state/metadata.db" {
		t.Errorf("the last piece is %q", last.Last)
	}
	for _, sub := range []string{"cur", "new"} {
		info, err := os.Stat(filepath.Join(young.root, mail("alice", sub)))
		if err != nil || time.Since(info.ModTime()) > time.Hour {
			t.Errorf("%s has an old time, by which Dovecot would not look into it: %v", sub, err)
		}
	}
}

// TestUpdate: what is different comes, and what is gone goes, and nothing else is sent.
func TestUpdate(t *testing.T) {
	old, young := relay(t), newMachine(t)
	if _, err := young.unpack(bytes.NewReader(old.pack(nil)), ""); err != nil {
		t.Fatal(err)
	}
	conf := old.source().Conf
	inventory := func() io.Reader {
		var have bytes.Buffer
		target := young.target()
		target.Conf = conf
		if err := target.Inventory(t.Context(), &have); err != nil {
			t.Fatal(err)
		}
		return &have
	}
	// Nothing has changed.
	same(t, "mailboxes sent when nothing changed", strings.Join(messages(t, old.pack(inventory())), "\n"), "")

	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(user, rel string) string { return filepath.Join(old.root, mail(user, rel)) }
	must(os.Rename(at("alice", "new/1700000001.M1P1.host,S=5"), at("alice", "cur/1700000001.M1P1.host,S=5:2,")))
	must(os.Remove(at("alice", "cur/1700000002.M1P1.host,S=5:2,S")))
	must(os.RemoveAll(at("alice", ".Sent.in")))
	must(os.RemoveAll(filepath.Join(old.root, mail("bob", ""))))
	must(os.Remove(filepath.Join(old.root, "/etc/chatmail-nocreate")))
	must(os.RemoveAll(filepath.Join(old.root, "/var/lib/chatmaild/invites/one")))
	old.put(
		mail("carol", "password"), "{BLF-CRYPT}CAROL", // same length, same time
		mail("carol", ".Drafts/cur/1700000009.M1P1.host:2,D"), "draft",
		mail("carol", "dovecot-uidlist"), "3 V1 N5",
		mail("dave", "password"), "new", mail("dave", "new/1"), "mail",
		"/var/lib/chatmaild/invites/two", "another",
	)
	update := old.pack(inventory())
	if len(update) > 100_000 {
		t.Errorf("the update has %d octets: more than what changed", len(update))
	}
	if _, err := young.unpack(bytes.NewReader(update), ""); err != nil {
		t.Fatal(err)
	}
	same(t, "updated", young.tree(), old.wanted())
	same(t, "still different", strings.Join(messages(t, old.pack(inventory())), "\n"), "")
}

// messages lists what of mailboxes is in an archive, but for the mailboxes themselves.
func messages(t *testing.T, in []byte) (names []string) {
	t.Helper()
	r, err := archive.NewReader(bytes.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	for piece := ""; ; {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if item.Entry != nil && strings.Count(item.Entry.Name, "/") > 1 && strings.HasPrefix(item.Entry.Name, mailboxes) {
			names = append(names, item.Entry.Name)
		}
		if item.Entry != nil {
			piece = item.Entry.Name
		}
		if item.Gone != nil && strings.HasPrefix(piece, mailboxes) {
			names = append(names, item.Gone...)
		}
	}
}

// TestResume cuts an archive off at many places and goes on, on both sides.
func TestResume(t *testing.T) {
	old := relay(t)
	whole := old.pack(nil)
	for cut := 5000; cut < len(whole); cut += len(whole) / 9 {
		// The file that broke off ends with a piece that is not whole.
		var position int
		var state archive.State
		var first bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		w := archive.NewWriter(&limited{&first, cut}, "ID")
		err := old.source().Write(ctx, w, Options{Head: newHead(false), Done: func(s archive.State) error {
			position, state = first.Len(), s
			return nil
		}})
		cancel()
		if !errors.Is(err, errFull) {
			t.Fatalf("cut off at %d: got %v", cut, err)
		}
		first.Truncate(position)
		w = archive.Resume(&first, state)
		o := Options{After: state.Last, Done: nothing}
		if state.Pieces == 0 {
			o.Head = newHead(false)
		}
		if err := errors.Join(old.source().Write(t.Context(), w, o), w.Close()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), whole) {
			t.Fatalf("cut off at %d, after %s: another archive came out", cut, state.Last)
		}
		// The other side is cut off at the same place.
		young := newMachine(t)
		done, err := young.unpack(bytes.NewReader(whole[:cut]), "")
		if !errors.Is(err, archive.ErrCutOff) {
			t.Fatalf("restoring %d octets: got %v", cut, err)
		}
		if _, err := young.unpack(bytes.NewReader(whole), done.Last); err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprintf("restored in two parts, cut off at %d", cut), young.tree(), old.wanted())
	}
}

var errFull = errors.New("the disk is full")

type limited struct {
	w    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, errFull
	}
	return l.w.Write(p)
}

// TestLinks: what a mailbox's owner puts there leads neither side out of it.
func TestLinks(t *testing.T) {
	old := relay(t).put("/etc/secret", "secret")
	var warned []string
	s := old.source()
	s.Warn = func(text string) { warned = append(warned, text) }
	for _, link := range []struct{ to, at string }{
		{old.root + "/etc/secret", mail("alice", "cur/1:2,")},
		{old.root + "/etc", mail("alice", ".link")},
		{old.root + "/etc", mail("mallory", "")},
	} {
		if err := os.Symlink(link.to, strings.TrimSuffix(filepath.Join(old.root, link.at), "/")); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	w := archive.NewWriter(&out, "ID")
	if err := errors.Join(s.Write(t.Context(), w, Options{Head: newHead(false), Done: nothing}), w.Close()); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(out.Bytes(), []byte("secret")) {
		t.Error("a link was followed")
	}
	if len(warned) == 0 {
		t.Error("nobody was told that something is left out")
	}

	young := newMachine(t).put("/etc/passwd", "root")
	if err := os.MkdirAll(filepath.Join(young.root, mailFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(young.root+"/etc", filepath.Join(young.root, mailFolder, ".restore-alice@"+domain)); err != nil {
		t.Fatal(err)
	}
	if _, err := young.unpack(bytes.NewReader(old.put().packQuiet()), ""); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(young.root, "/etc/passwd")); err != nil || string(text) != "root" {
		t.Errorf("a link led out: %q, %v", text, err)
	}
}

// packQuiet is pack for a machine with links.
func (m machine) packQuiet() []byte {
	m.t.Helper()
	s := m.source()
	s.Warn = func(string) {}
	var out bytes.Buffer
	w := archive.NewWriter(&out, "ID")
	if err := errors.Join(s.Write(m.t.Context(), w, Options{Head: newHead(false), Done: nothing}), w.Close()); err != nil {
		m.t.Fatal(err)
	}
	return out.Bytes()
}
