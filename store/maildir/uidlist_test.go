package maildir

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAfterUIDs(t *testing.T) {
	const guid = " G3085f01b7f11094c501100008c4a11c1\n"
	for _, tt := range []struct{ list, want string }{
		{"3 V1275660208 N25" + guid, "3 V1275660208 N100025" + guid},
		{"3 V1 N5" + guid + "3 :a\n4 :b\n", "3 V1 N100005" + guid},
		{"3 V1 N5" + guid + "5 :added\n6 S12 :added,S=12\n", "3 V1 N100007" + guid},
		{"3 V1 N5" + guid + "5 :added\n6 :to", "3 V1 N100007" + guid},
		{"3 V1 N5" + guid + "\x00\x00\x00\x00", "3 V1 N100005" + guid},
		{"3 V1 N5" + guid + strings.Repeat("9", 2*maxUIDLine) + "\n", "3 V1 N100005" + guid},
		{"3 V1 N5\n", "3 V1 N100005\n"},
		{"", ""},
		{"3 V1 N5 G", "3 V1 N100005 G\n"}, // Dovecot makes it another
		{"3 V1" + guid, ""},
		{"3 N5" + guid, ""},
		{"3 V0 N5" + guid, ""},
		{"2 V1 N5" + guid, ""},
		{"1 1275660208 25\n", ""},
		{"3 V1 N4294967290" + guid, ""},
		{"3 V1 N99999999999" + guid, ""},
		{strings.Repeat("\x00", 100), ""},
	} {
		got, ok := afterUIDs(strings.NewReader(tt.list))
		if string(got) != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: got %q, %v, want %q", tt.list, got, ok, tt.want)
		}
	}
}

// FuzzAfterUIDs holds that what is made of a list is one again, with a UIDVALIDITY as before.
func FuzzAfterUIDs(f *testing.F) {
	f.Add([]byte("3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n25006 :1276528487.M364837P9451.kurkku,S=1355:2,\n"))
	f.Fuzz(func(t *testing.T, list []byte) {
		once, ok := afterUIDs(bytes.NewReader(list))
		if !ok {
			return
		}
		if bytes.Count(once, []byte("\n")) != 1 || !bytes.HasSuffix(once, []byte("\n")) || len(once) > maxUIDLine+20 {
			t.Fatalf("%q becomes %q", list, once)
		}
		if _, ok := afterUIDs(bytes.NewReader(once)); !ok && len(once) < maxUIDLine && !bytes.Contains(once, []byte("N42949")) {
			t.Errorf("%q is no list", once)
		}
	})
}

func TestResetUIDs(t *testing.T) {
	path := t.TempDir()
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	file := filepath.Join(path, uidList)
	for _, leftover := range []bool{false, true} {
		if err := os.WriteFile(file, []byte("3 V7 N2 Gx\n2 :a\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if leftover {
			if err := os.WriteFile(filepath.Join(path, newUIDList), []byte("of a crash"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.resetUIDs(); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != "3 V7 N100003 Gx\n" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.resetUIDs(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(path); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
