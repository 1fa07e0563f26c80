package spool

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func TestMessage(t *testing.T) {
	for _, size := range []int{0, 1, inMemory - 1, inMemory, inMemory + 1, 3*inMemory + 7} {
		dir := t.TempDir()
		text := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		m, err := New(strings.NewReader(text), dir)
		if err != nil {
			t.Fatal(err)
		}
		m.Prepend("b\r\n")
		m.Prepend("a\r\n")
		for range 2 {
			got, err := io.ReadAll(m.Open())
			if err != nil || string(got) != "a\r\nb\r\n"+text || m.Size() != int64(len(got)) {
				t.Errorf("%d bytes: got %d, Size %d, %v", size, len(got), m.Size(), err)
			}
		}
		if (m.file != nil) != (size >= inMemory) {
			t.Errorf("%d bytes: in a file: %v", size, m.file != nil)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%d bytes: left in the directory: %v, %v", size, left, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFaults(t *testing.T) {
	broken := errors.New("broken")
	long := strings.NewReader(strings.Repeat("x", 2*inMemory))
	for name, r := range map[string]io.Reader{
		"at once": iotest.ErrReader(broken), "in the file": io.MultiReader(long, iotest.ErrReader(broken)),
	} {
		if _, err := New(r, t.TempDir()); !errors.Is(err, broken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := New(strings.NewReader(strings.Repeat("x", 2*inMemory)), "/nowhere"); err == nil {
		t.Error("a file was made where there is no directory")
	}
}
