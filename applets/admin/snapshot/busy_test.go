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
