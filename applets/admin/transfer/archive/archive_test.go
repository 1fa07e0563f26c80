package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"
)

var at = time.Unix(1_790_000_000, 0)

// flat is an item as tests write it down.
func flat(i Item, content string) string {
	switch {
	case i.Entry != nil:
		e := i.Entry
		return fmt.Sprintf("%s dir=%v %v %s:%s %d %q", e.Name, e.Dir, e.Mode, e.Owner, e.Group, e.Time.Unix()-at.Unix(), content)
	case i.Gone != nil:
		return fmt.Sprintf("gone %q", i.Gone)
	}
	return fmt.Sprintf("sum %s %d %d %v", i.Sum.Piece, i.Sum.Files, i.Sum.Bytes, i.Sum.Void)
}

func read(r io.Reader) (items []string, s State, err error) {
	a, err := NewReader(r)
	if err != nil {
		return nil, State{}, err
	}
	for {
		item, err := a.Next()
		if errors.Is(err, io.EOF) {
			return items, a.State(), nil
		}
		if err != nil {
			return items, a.State(), err
		}
		content, err := io.ReadAll(a)
		if item.Entry != nil && err != nil {
			return items, a.State(), err
		}
		items = append(items, flat(item, string(content)))
	}
}

// writePiece writes one piece: each pair is a name and a content, or "/" for a directory.
func writePiece(t testing.TB, w *Writer, head *Head, void bool, gone []string, pairs ...string) State {
	t.Helper()
	p, err := NewPiece(w, pairs[0], head)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		e := Entry{Name: pairs[i], Mode: 0o640, Owner: "vmail", Group: "mail", Time: at.Add(time.Duration(i) * time.Second)}
		content := pairs[i+1]
		if content == "/" {
			e.Dir, e.Mode, content = true, 0o750|fs.ModeSetgid, ""
		}
		if err := p.Add(e, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Gone(gone); err != nil {
		t.Fatal(err)
	}
	sum, err := p.Close(void)
	if err != nil {
		t.Fatal(err)
	}
	return w.Sealed(sum)
}

func sample(t testing.TB, update bool) []byte {
	var out bytes.Buffer
	w := NewWriter(&out, "ID")
	head := &Head{Format: Version, ID: "ID", Domain: "x.test", Version: "1", Made: at.UTC(), Update: update}
	writePiece(t, w, head, false, nil, "config", "mail_domain = \"x.test\"\n")
	var gone []string
	if update {
		gone = []string{"cur/2", "new/3"}
	}
	long := "mailboxes/a@x.test/cur/" + strings.Repeat("n", 150)
	writePiece(t, w, nil, false, gone, "mailboxes/a@x.test", "/", "mailboxes/a@x.test/cur", "/", "mailboxes/a@x.test/cur/1:2,S",
		strings.Repeat("m", 1000), long, "", "mailboxes/a@x.test/ü\xff", "odd")
	writePiece(t, w, nil, true, nil, "mailboxes/b@x.test", "/")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRoundTrip(t *testing.T) {
	for _, update := range []bool{false, true} {
		got, state, err := read(bytes.NewReader(sample(t, update)))
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			`config dir=false -rw-r----- vmail:mail 0 "mail_domain = \"x.test\"\n"`,
			`sum config 1 23 false`,
			`mailboxes/a@x.test dir=true grwxr-x--- vmail:mail 0 ""`,
			`mailboxes/a@x.test/cur dir=true grwxr-x--- vmail:mail 2 ""`,
			fmt.Sprintf(`mailboxes/a@x.test/cur/1:2,S dir=false -rw-r----- vmail:mail 4 "%s"`, strings.Repeat("m", 1000)),
			fmt.Sprintf(`mailboxes/a@x.test/cur/%s dir=false -rw-r----- vmail:mail 6 ""`, strings.Repeat("n", 150)),
			"mailboxes/a@x.test/ü\xff dir=false -rw-r----- vmail:mail 8 \"odd\"",
			`gone ["cur/2" "new/3"]`,
			`sum mailboxes/a@x.test 3 1003 false`,
			`mailboxes/b@x.test dir=true grwxr-x--- vmail:mail 0 ""`,
			`sum mailboxes/b@x.test 0 0 true`,
		}
		if !update {
			want = append(want[:7:7], want[8:]...)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if state.Pieces != 3 || state.Files != 4 || state.Bytes != 1026 || state.Last != "mailboxes/b@x.test" {
			t.Errorf("state: %+v", state)
		}
	}
}

// TestTar has a foreign tar read an archive.
func TestTar(t *testing.T) {
	tar := exec.Command("tar", "-t", "--quoting-style=escape")
	tar.Stdin = bytes.NewReader(sample(t, false))
	out, err := tar.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{".chatmaild/head\nconfig\n.chatmaild/sum\n", "mailboxes/a@x.test/cur/1:2,S\n", ".chatmaild/end\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("tar lists\n%s\nwithout %q", out, want)
		}
	}
}

// TestDamage changes and cuts an archive at many places, all over the blocks of its tar:
// it is never taken for another one. What a tar does not look at in its own headers may
// change.
func TestDamage(t *testing.T) {
	whole := sample(t, true)
	want, _, err := read(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(whole); i += 7 {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 1
		if got, _, err := read(bytes.NewReader(damaged)); err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("byte %d changed: got\n%s", i, strings.Join(got, "\n"))
		}
		if i > len(whole)-1024-BlockSize {
			continue // the end has been read; its zeros are not missed
		}
		if _, _, err := read(bytes.NewReader(whole[:i])); !errors.Is(err, ErrCutOff) && !errors.Is(err, ErrForeign) {
			t.Fatalf("cut off at %d: got %v", i, err)
		}
	}
}

// TestMissingPiece leaves out, doubles and swaps whole pieces.
func TestMissingPiece(t *testing.T) {
	var parts [][]byte
	var out bytes.Buffer
	w := NewWriter(&out, "ID")
	head := &Head{Format: Version, ID: "ID"}
	for i := range 4 {
		if i == 1 {
			head = nil
		}
		start := out.Len()
		writePiece(t, w, head, false, nil, fmt.Sprintf("p%d", i), "x")
		parts = append(parts, bytes.Clone(out.Bytes()[start:]))
	}
	start := out.Len()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	parts = append(parts, bytes.Clone(out.Bytes()[start:]))
	for _, tt := range []struct {
		order []int
		want  error
	}{
		{[]int{0, 1, 2, 3, 4}, nil},
		{[]int{0, 1, 3, 4}, ErrDamaged},
		{[]int{0, 1, 1, 2, 3, 4}, ErrDamaged},
		{[]int{0, 2, 1, 3, 4}, ErrDamaged},
		{[]int{0, 1, 2, 3}, ErrCutOff},
		{[]int{1, 2, 3, 4}, ErrForeign},
		{[]int{0, 1, 2, 3, 4, 4}, ErrDamaged},
	} {
		var in []byte
		for _, i := range tt.order {
			in = append(in, parts[i]...)
		}
		if _, _, err := read(bytes.NewReader(in)); !errors.Is(err, tt.want) {
			t.Errorf("%v: got %v, want %v", tt.order, err, tt.want)
		}
	}
}

// TestResume breaks an archive off within a piece and continues after the last whole one.
func TestResume(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, "ID")
	writePiece(t, w, &Head{Format: Version, ID: "ID"}, false, nil, "config", "x")
	state := writePiece(t, w, nil, false, nil, "a", "1")
	whole := out.Len()
	if _, err := NewPiece(w, "b", nil); err != nil {
		t.Fatal(err)
	}
	out.WriteString("half a piece")
	out.Truncate(whole)
	w = Resume(&out, state)
	writePiece(t, w, nil, false, nil, "b", "2")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, state, err := read(&out); err != nil || state.Pieces != 3 || state.Last != "b" {
		t.Errorf("got %+v, %v", state, err)
	}
}

// TestShort has a file that becomes shorter while it is read.
func TestShort(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, "ID")
	p, err := NewPiece(w, "f", &Head{Format: Version, ID: "ID"})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stream(Entry{Name: "f", Size: 5}, strings.NewReader("abc")); !errors.Is(err, ErrShort) {
		t.Fatalf("got %v", err)
	}
	sum, err := p.Close(true)
	if err != nil {
		t.Fatal(err)
	}
	w.Sealed(sum)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if items, _, err := read(&out); err != nil || !strings.HasSuffix(items[0], `"abc\x00\x00"`) {
		t.Errorf("got %q, %v", items, err)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "a/b:2,S": true, ".Sent/cur": true, "": false, "/a": false, "a/": false, "a//b": false,
		"..": false, "a/../b": false, "./a": false, "a\x00": false, strings.Repeat("a", maxName+1): false,
	} {
		if got := CheckName(name) == nil; got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
	if _, err := NewPiece(io.Discard, "../x", nil); err == nil {
		t.Error("a piece outside was made")
	}
	p, err := NewPiece(io.Discard, "a", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a/b", "b", "ab"} { // the piece itself is first
		if err := p.Add(Entry{Name: name}, nil); err == nil {
			t.Errorf("%s was taken into a", name)
		}
	}
}

// FuzzReader: whatever comes, no name leads out, and what is read as whole and written
// again is read the same.
func FuzzReader(f *testing.F) {
	f.Add(sample(f, false))
	f.Add(sample(f, true))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := NewReader(bytes.NewReader(in))
		if err != nil {
			return
		}
		var out bytes.Buffer
		w := NewWriter(&out, r.Head().ID)
		head := r.Head()
		var p *Piece
		var items []string
		for {
			item, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			content, err := io.ReadAll(r)
			if item.Entry != nil && err != nil {
				return
			}
			items = append(items, flat(item, string(content)))
			switch {
			case item.Entry != nil:
				if CheckName(item.Entry.Name) != nil {
					t.Fatalf("the name %q", item.Entry.Name)
				}
				if p == nil {
					var h *Head
					if len(items) == 1 {
						h = &head
					}
					if p, err = NewPiece(w, item.Entry.Name, h); err != nil {
						t.Fatal(err)
					}
				}
				if err := p.Add(*item.Entry, content); err != nil {
					t.Skip() // a name that Go's tar does not write
				}
			case item.Gone != nil:
				if err := p.Gone(item.Gone); err != nil {
					t.Fatal(err)
				}
			case p == nil:
				return // a sum of nothing
			default:
				sum, err := p.Close(item.Sum.Void)
				if err != nil {
					t.Fatal(err)
				}
				w.Sealed(sum)
				p = nil
			}
		}
		if len(items) == 0 {
			return
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if again, _, err := read(&out); err != nil || !reflect.DeepEqual(again, items) {
			t.Fatalf("written and read again: %v\n%s\nwas\n%s", err, strings.Join(again, "\n"), strings.Join(items, "\n"))
		}
	})
}
