package parcel

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mailbox makes one with two messages, an index and a subfolder.
func mailbox(t *testing.T) (path string, files map[string]string) {
	t.Helper()
	path = t.TempDir()
	files = map[string]string{
		"password": "{PLAIN}x", "dovecot-uidlist": "3 V1 N3 G1\n", "new/1.M1.h,S=3": "one", "cur/2.M2.h,S=3:2,S": "two",
		".Sub/cur/3.M3.h": "three", ".Sub/maildirfolder": "",
	}
	for name, content := range files {
		file := filepath.Join(path, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Unix(1_700_000_000, 123_456_789)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(path, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path, files
}

func TestParcel(t *testing.T) {
	from, files := mailbox(t)
	if err := os.Symlink("/etc/passwd", filepath.Join(from, "cur", "link")); err != nil {
		t.Fatal(err)
	}
	var sent bytes.Buffer
	if err := Write(&sent, from); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if err := Read(&sent, to, 1000); err != nil {
		t.Fatal(err)
	}
	if sent.Len() > 0 {
		t.Errorf("%d bytes are left", sent.Len())
	}
	for name, content := range files {
		got, err := os.ReadFile(filepath.Join(to, name))
		if err != nil || string(got) != content {
			t.Errorf("%s: got %q, %v", name, got, err)
			continue
		}
		info, err := os.Stat(filepath.Join(to, name))
		if err != nil || !info.ModTime().Equal(time.Unix(1_700_000_000, 123_456_789)) || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if info, err := os.Stat(filepath.Join(to, "tmp")); err != nil || !info.IsDir() {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(to, "cur", "link")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a link came along: %v", err)
	}
}

// TestCutOff holds that what breaks off anywhere is an error.
func TestCutOff(t *testing.T) {
	from, _ := mailbox(t)
	var sent bytes.Buffer
	if err := Write(&sent, from); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < sent.Len(); n += 100 {
		r := io.MultiReader(bytes.NewReader(sent.Bytes()[:n]), broken{})
		if err := Read(r, t.TempDir(), 1000); err == nil {
			t.Errorf("after %d bytes: no error", n)
		}
	}
	if err := Read(&sent, t.TempDir(), 10); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("above the limit: %v", err)
	}
}

// broken is a connection that ends early, as HTTP tells of it.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestHostile holds that nothing is written beside the mailbox.
func TestHostile(t *testing.T) {
	for _, h := range []tar.Header{
		{Name: "../x", Typeflag: tar.TypeReg}, {Name: "/x", Typeflag: tar.TypeReg}, {Name: "a/../../x", Typeflag: tar.TypeReg},
		{Name: "./x", Typeflag: tar.TypeReg}, {Name: "", Typeflag: tar.TypeReg}, {Name: "..", Typeflag: tar.TypeDir},
		{Name: "x", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, {Name: "x", Typeflag: tar.TypeLink, Linkname: "y"},
		{Name: "x", Typeflag: tar.TypeFifo}, {Name: "x", Typeflag: tar.TypeChar}, {Name: "a/a/a/a/a/a/a/a/a", Typeflag: tar.TypeDir},
	} {
		var sent bytes.Buffer
		w := tar.NewWriter(&sent)
		h.Mode = 0o777
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		top := t.TempDir()
		dir := filepath.Join(top, "mailbox")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := Read(&sent, dir, 1000); err == nil {
			t.Errorf("%q, type %c: accepted", h.Name, h.Typeflag)
		}
		if entries, err := os.ReadDir(top); err != nil || len(entries) != 1 {
			t.Errorf("%q: beside the mailbox there is more: %v, %v", h.Name, entries, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	var sent bytes.Buffer
	w := tar.NewWriter(&sent)
	_ = w.WriteHeader(&tar.Header{Name: "new/x", Typeflag: tar.TypeReg, Size: 1, Mode: 0o600})
	_, _ = w.Write([]byte("x"))
	_ = w.Close()
	f.Add(sent.Bytes())
	f.Fuzz(func(t *testing.T, text []byte) {
		top := t.TempDir()
		dir := filepath.Join(top, "mailbox")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_ = Read(bytes.NewReader(text), dir, 1<<20)
		if entries, err := os.ReadDir(top); err != nil || len(entries) != 1 {
			t.Errorf("beside the mailbox there is more: %v, %v", entries, err)
		}
	})
}
