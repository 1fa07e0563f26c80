package snapshot

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestBusy archives a mailbox again and again while its messages are moved from new to
// cur and get and lose flags, as by Dovecot: each is in each archive, and once.
func TestBusy(t *testing.T) {
	const count = 300
	m := relay(t)
	base := func(i int) string { return fmt.Sprintf("17000%05d.M1P1.host,S=4", i) }
	for i := range count {
		m.put(mail("alice", "new/"+base(i)), "mail")
	}
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		names := make([]string, count)
		for i := range names {
			names[i] = "new/" + base(i)
		}
		for round := 0; ; round++ {
			for i, name := range names {
				select {
				case <-stop:
					return
				default:
				}
				to := "cur/" + base(i) + ":2," + strings.Repeat("S", (round+i)%2)
				if err := os.Rename(filepath.Join(m.root, mail("alice", name)), filepath.Join(m.root, mail("alice", to))); err != nil {
					t.Error(err)
					return
				}
				names[i] = to
			}
		}
	})
	for range 8 {
		seen := map[string]int{}
		for _, name := range messages(t, m.pack(nil)) {
			name, _, _ = strings.Cut(filepath.Base(name), ":")
			seen[name]++
		}
		for i := range count {
			if seen[base(i)] != 1 {
				t.Errorf("message %d is in the archive %d times", i, seen[base(i)])
			}
		}
	}
	close(stop)
	group.Wait()
}

func TestInventory(t *testing.T) {
	files := contents{
		"cur": {dir: true}, "cur/1:2,S": {size: 5, time: 7, sum: "-"}, "odd \"\n\xff": {size: 0, time: -1, sum: "ab"},
	}
	var b bytes.Buffer
	b.WriteString(inventoryHead + "\n")
	if err := writeContents(&b, "a@x.test", files); err != nil {
		t.Fatal(err)
	}
	b.WriteString("mailbox \"b@x.test\"\nend 2\n")
	r, err := newInventoryReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	if r.address != "a@x.test" {
		t.Fatalf("address %q", r.address)
	}
	got, err := r.next()
	if err != nil || fmt.Sprint(got) != fmt.Sprint(files) || r.address != "b@x.test" {
		t.Fatalf("got %v, %v, then %q", got, err, r.address)
	}
	if got, err := r.next(); err != nil || len(got) != 0 || r.address != "" {
		t.Fatalf("got %v, %v, then %q", got, err, r.address)
	}
	for _, bad := range []string{
		"", "inventory 2\nend 0\n", "inventory 1\n", "inventory 1\nend 1\n", "inventory 1\nmailbox a\nend 1\n",
		"inventory 1\nmailbox \"..\"\nend 1\n", "inventory 1\nmailbox \"b\"\nmailbox \"a\"\nend 2\n",
		"inventory 1\nmailbox \"a\"\n1 2 -\nend 1\n", "inventory 1\nmailbox \"a\"\n1 2 - \"../x\"\nend 1\n",
		"inventory 1\nmailbox \"a\"\n-1 2 - \"x\"\nend 1\n", "inventory 1\nmailbox \"a\"\n1 2 - \"x\"\n",
	} {
		if err := readInventory(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func readInventory(text string) error {
	r, err := newInventoryReader(strings.NewReader(text))
	for err == nil && r.address != "" {
		_, err = r.next()
	}
	return err
}

// FuzzInventory: what is read is written and read the same.
func FuzzInventory(f *testing.F) {
	f.Add("inventory 1\nmailbox \"a@x\"\nfolder \"cur\"\n5 7 - \"cur/1:2,S\"\nmailbox \"b@x\"\nend 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := newInventoryReader(strings.NewReader(text))
		for err == nil && r.address != "" {
			address, seen := r.address, r.seen
			var files contents
			if files, err = r.next(); err != nil {
				return
			}
			var b bytes.Buffer
			b.WriteString(inventoryHead + "\n")
			if err := writeContents(&b, address, files); err != nil {
				t.Fatal(err)
			}
			b.WriteString("end 1\n")
			again, err := newInventoryReader(&b)
			if err != nil || again.address != address {
				t.Fatalf("mailbox %d: %v", seen, err)
			}
			if got, err := again.next(); err != nil || fmt.Sprint(got) != fmt.Sprint(files) {
				t.Fatalf("got %v, %v, want %v", got, err, files)
			}
		}
	})
}

func TestTidy(t *testing.T) {
	m := newMachine(t).put(configPath, "mail_domain = \""+domain+"\"\n",
		mailDir+"/.restore-a@x/new/1", "half", mail("alice", "password"), "whole", "/var/lib/chatmaild/.restore-acme/key", "half")
	target := m.target()
	target.Conf = m.source().Conf
	if err := target.Tidy(); err != nil {
		t.Fatal(err)
	}
	if tree := m.tree(); strings.Contains(tree, "half") || !strings.Contains(tree, "whole") {
		t.Errorf("left: %s", tree)
	}
}

func TestOwners(t *testing.T) {
	var o Owners
	if owner, group := o.names(0, 0); owner != "root" || group != "root" {
		t.Errorf("number 0 is %s:%s", owner, group)
	}
	if owner, group := o.names(4_000_000, 4_000_001); owner != "4000000" || group != "4000001" {
		t.Errorf("who has no name is %s:%s", owner, group)
	}
	for _, tt := range []struct {
		owner, group string
		uid, gid     int
		ok           bool
	}{
		{"root", "root", 0, 0, true}, {"4000000", "4000001", 4_000_000, 4_000_001, true},
		{"nobody-here", "root", 0, 0, false}, {"root", "nobody-here", 0, 0, false}, {"", "", 0, 0, false},
	} {
		uid, gid, err := o.ids(tt.owner, tt.group)
		if uid != tt.uid || gid != tt.gid || (err == nil) != tt.ok {
			t.Errorf("%s:%s: got %d:%d, %v", tt.owner, tt.group, uid, gid, err)
		}
	}
}

// TestWhere: an archive names places that are a relay's, and no other.
func TestWhere(t *testing.T) {
	m := relay(t)
	l := m.source().Layout
	for piece, want := range map[string]string{
		"mailboxes/a@x":          mailDir + "/a@x",
		"state/acme":             "/var/lib/chatmaild/acme",
		"dkim/opendkim.private":  "/etc/dkimkeys/opendkim.private",
		"queue/deferred":         "/var/spool/postfix/deferred",
		"www":                    "/srv/www",
		"appversions":            "/etc/chatmail/appversions.json",
		"turn-server-secret":     "/etc/chatmail/turn-secret",
		"nocreate":               "/etc/chatmail-nocreate",
		"tls":                    "/etc/chatmail/tls",
		"config":                 "", // is put in place last, by the restore
		"external/key":           "", // the configuration has none
		"mailboxes/a@x/cur":      "",
		"mailboxes":              "",
		"mailboxes/":             "",
		"mailboxes/..":           "",
		"mailboxes/.restore-a@x": "",
		"state/../../../etc/x":   "",
		"/etc/passwd":            "",
		"somewhere":              "",
	} {
		got, err := l.where(piece)
		if want != "" {
			want = m.root + want
		}
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", piece, got, err, want)
		}
	}
}
