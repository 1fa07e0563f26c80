package command

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// PrintJSON writes v as --json has it in every command: one indented value, for
// programs and for people who look at what those get.
func PrintJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// NewTable returns a writer that aligns cells which end in tabs. Nothing is written
// before its Flush.
func NewTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// NewNumberTable is NewTable with cells aligned to the right, for columns of numbers.
func NewNumberTable(w io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
}

// A Colour is the parameter of the control sequence that switches it on (ECMA-48,
// SGR). All are as long as each other, so that columns of coloured cells stay aligned.
type Colour int

// The colours of results.
const (
	Red    Colour = 31
	Green  Colour = 32
	Yellow Colour = 33
	Cyan   Colour = 36
)

// Paint returns text in the colour.
func (c Colour) Paint(text string) string { return fmt.Sprintf("\x1b[%dm%s\x1b[0m", int(c), text) }

// clearLine goes back to the start of the line and erases it.
const clearLine = "\r\x1b[K"

// What a terminal is taken for that does not tell its size.
const (
	defaultColumns = 80
	defaultRows    = 24
)

// TerminalSize returns how many columns and rows the terminal w has.
func TerminalSize(w io.Writer) (columns, rows int) {
	if f, ok := w.(*os.File); ok {
		if s, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && s.Col > 0 && s.Row > 0 {
			return int(s.Col), int(s.Row)
		}
	}
	return defaultColumns, defaultRows
}

// progressEach is how often a terminal is written to: more would only flicker.
const progressEach = 100 * time.Millisecond

// Progress is one line on a terminal, rewritten while a command works. It shows
// nothing where there is no terminal. The nil Progress is ready for use, and silent.
// It is not for concurrent use.
type Progress struct {
	w     io.Writer
	shown time.Time
}

// NewProgress returns a Progress that writes to w if w is a terminal.
func NewProgress(w io.Writer) *Progress {
	if !IsTerminal(w) {
		return nil
	}
	return &Progress{w: w}
}

// Show replaces the line, unless the last one came just before. What does not fit is cut
// off: a line that wraps cannot be erased.
func (p *Progress) Show(format string, args ...any) {
	if p == nil || time.Since(p.shown) < progressEach {
		return
	}
	p.shown = time.Now()
	columns, _ := TerminalSize(p.w)
	text := []rune(fmt.Sprintf(format, args...))
	fmt.Fprintf(p.w, "%s%s", clearLine, string(text[:min(len(text), columns-1)]))
}

// Clear erases the line.
func (p *Progress) Clear() {
	if p != nil && !p.shown.IsZero() {
		fmt.Fprint(p.w, clearLine)
		p.shown = time.Time{}
	}
}
