package command

import (
	"bytes"
	"testing"
	"time"
)

func TestPrintJSON(t *testing.T) {
	var out bytes.Buffer
	if err := PrintJSON(&out, map[string]int{"accounts": 3}); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "{\n  \"accounts\": 3\n}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgressIsSilentWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out)
	p.Show("%d of %d", 1, 2)
	p.Clear()
	if out.Len() > 0 {
		t.Errorf("got %q, want nothing", out.String())
	}
}

func TestProgressReplacesItsLine(t *testing.T) {
	var out bytes.Buffer
	p := &Progress{w: &out}
	p.Clear() // nothing is there yet
	p.Show("first")
	p.Show("too soon")
	p.shown = p.shown.Add(-time.Second)
	p.Show("second")
	p.Clear()
	p.Clear()
	if got, want := out.String(), "\r\x1b[Kfirst\r\x1b[Ksecond\r\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPaint(t *testing.T) {
	if got, want := Green.Paint("ok"), "\x1b[32mok\x1b[0m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
