package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatmaild/applets/admin/transfer/archive"
)

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
		t.Errorf("the update has %d bytes: more than what changed", len(update))
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

// TestResume cuts an archive off at many places and continues, on both sides.
func TestResume(t *testing.T) {
	old := relay(t)
	whole := old.pack(nil)
	for cut := 5000; cut < len(whole); cut += len(whole) / 9 {
		// The file that was interrupted ends with a piece that is not whole.
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
			t.Fatalf("restoring %d bytes: got %v", cut, err)
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
	old := relay(t).put("/etc/secret", "nobody else reads this")
	var warned atomic.Int64
	s := old.source()
	s.Warn = func(string) { warned.Add(1) }
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
	if bytes.Contains(out.Bytes(), []byte("nobody else reads this")) {
		t.Error("a link was followed")
	}
	if warned.Load() == 0 {
		t.Error("nobody was told that something is left out")
	}

	young := newMachine(t).put("/etc/passwd", "root")
	if err := os.MkdirAll(filepath.Join(young.root, mailDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(young.root+"/etc", filepath.Join(young.root, mailDir, ".restore-alice@"+domain)); err != nil {
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
