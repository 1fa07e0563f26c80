package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// old is a time that a copy keeps.
var old = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// tree is a machine with a directory that has all that a copy can meet.
func tree(t *testing.T) Host {
	t.Helper()
	h := machine(t, map[string]string{"/from/a/file": "text", "/from/empty": ""})
	for _, err := range []error{
		os.Chmod(h.path("/from/a"), 0o750),
		os.Chmod(h.path("/from/a/file"), 0o600),
		os.Chtimes(h.path("/from/a/file"), old, old),
		os.Symlink("a/file", h.path("/from/link")),
		os.Symlink("/nowhere", h.path("/from/dangling")),
		os.Chtimes(h.path("/from/a"), old, old),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestCopyTree(t *testing.T) {
	h := tree(t)
	for range 2 { // the second finds all there
		if err := h.CopyTree(h.Tree, "/from", "/to/here", Owner{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, h, "/to/here/link"); got != "text" {
		t.Errorf("through the link we read %q", got)
	}
	if !h.IsLink("/to/here/dangling", "/nowhere") {
		t.Error("the dangling link is not there")
	}
	for _, name := range []string{"a", "a/file"} {
		was, err1 := os.Stat(h.path("/from/" + name))
		is, err2 := os.Stat(h.path("/to/here/" + name))
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if was.Mode() != is.Mode() || !was.ModTime().Equal(is.ModTime()) {
			t.Errorf("%s: got %v %v, want %v %v", name, is.Mode(), is.ModTime(), was.Mode(), was.ModTime())
		}
	}
	files, err := h.Files("/to/here")
	if want := []string{"/to/here/a/file", "/to/here/dangling", "/to/here/empty", "/to/here/link"}; err != nil || !slices.Equal(files, want) {
		t.Errorf("got %q, %v, want %q", files, err, want)
	}
}

// TestCopyTreeResumes holds that what is there stays: a copy that was interrupted
// continues, and does not begin again.
func TestCopyTreeResumes(t *testing.T) {
	h := tree(t)
	if err := os.MkdirAll(h.path("/to/a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.path("/to/a/file"), []byte("copied before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.CopyTree(h.Tree, "/from", "/to", Owner{}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, h, "/to/a/file"); got != "copied before" {
		t.Errorf("the file is %q", got)
	}
	if got := read(t, h, "/to/empty"); got != "" {
		t.Errorf("the empty file is %q", got)
	}
}

func TestMove(t *testing.T) {
	h := tree(t)
	for range 2 { // the second finds it moved
		if err := h.Move("/from/a", "/elsewhere/b"); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, h, "/elsewhere/b/file"); got != "text" {
		t.Errorf("the file is %q", got)
	}
	if err := h.Move("/from/empty", "/elsewhere/b"); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("moving over something: %v", err)
	}
}

func TestPutBack(t *testing.T) {
	h := tree(t)
	if err := os.Chmod(h.path("/from"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := h.CopyTree(h.Tree, "/from", "/kept/from", Owner{}); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Chmod(h.path("/from"), 0o700),
		os.WriteFile(h.path("/from/a/file"), []byte("other"), 0o600),
		os.WriteFile(h.path("/from/more"), []byte("more"), 0o600),
		os.Remove(h.path("/from/link")),
		os.Remove(h.path("/from/dangling")),
		os.WriteFile(h.path("/from/dangling"), nil, 0o600),
		os.Chmod(h.path("/from/empty"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range [][]string{{"/from/a/file", "/from/dangling", "/from/empty", "/from/link"}, nil} {
		changed, err := h.PutBack("/kept")
		if err != nil || !slices.Equal(changed, want) {
			t.Errorf("changed %q, %v, want %q", changed, err, want)
		}
	}
	if got := read(t, h, "/from/link"); got != "text" {
		t.Errorf("through the link we read %q", got)
	}
	for _, path := range []string{"/from", "/nowhere"} {
		if err := GiveBack(h.Tree, "/kept", path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if kept, err := os.Stat(h.path("/from")); err != nil || kept.Mode().Perm() != 0o750 {
		t.Errorf("the directory is %v, %v; it was 0750 when it was kept", kept, err)
	}
	if got := read(t, h, "/from/more"); got != "more" {
		t.Errorf("what was not kept is %q", got)
	}
}

func TestNamesOfNothing(t *testing.T) {
	h := tree(t)
	if names, err := h.Names("/from"); err != nil || !slices.Equal(names, []string{"a", "dangling", "empty", "link"}) {
		t.Errorf("got %q, %v", names, err)
	}
	if names, err := h.Names("/nowhere"); err != nil || names != nil {
		t.Errorf("got %q, %v, want nothing", names, err)
	}
	for path, want := range map[string]bool{"/from/dangling": true, "/from/a/file/x": false, "/nowhere": false} {
		if got, err := h.Exists(path); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", path, got, err, want)
		}
	}
}

func TestSQLite(t *testing.T) {
	for program, args := range map[string][]string{
		"/usr/bin/python3": {"-c", sqliteCell, "DATABASE", "SELECT 1"},
		"/usr/bin/sqlite3": {"-batch", "DATABASE", "SELECT hex((SELECT 1))"},
	} {
		t.Run(filepath.Base(program), func(t *testing.T) { readsSQLite(t, program, args) })
	}
	h := machine(t, map[string]string{})
	if _, err := h.SQLite(t.Context(), "/x.db", "SELECT 1"); err == nil || !strings.Contains(err.Error(), "apt install sqlite3") {
		t.Errorf("without a program: %v", err)
	}
}

// readsSQLite has a program read, which is called with these arguments.
func readsSQLite(t *testing.T, program string, args []string) {
	h := machine(t, map[string]string{program: ""})
	answer, fail := "6162\n", error(nil)
	args[slices.Index(args, "DATABASE")] = filepath.Join(h.Root, "/x.db")
	h.Command = func(_ context.Context, name string, got ...string) (string, error) {
		if name != program || !slices.Equal(got, args) {
			return "", fmt.Errorf("unexpected: %s %q", name, got)
		}
		return answer, fail
	}
	if got, err := h.SQLite(t.Context(), "/x.db", "SELECT 1"); err != nil || string(got) != "ab" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, answer = range []string{"no hex", strings.Repeat("a", 2*maxCell+2)} {
		if _, err := h.SQLite(t.Context(), "/x.db", "SELECT 1"); err == nil {
			t.Errorf("%.20q is taken", answer)
		}
	}
	fail = errors.New("no such table")
	if _, err := h.SQLite(t.Context(), "/x.db", "SELECT 1"); !errors.Is(err, fail) {
		t.Errorf("got %v, want %v", err, fail)
	}
}
