// Package journal follows the system's journal, by journalctl(1): each call of Read
// tells what was written since the last one.
package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// Bounds of one Read. What is beyond maxEntries is for the next.
const (
	maxEntries = 200_000
	maxLine    = 256 << 10 // bytes; journald cuts a message at 48 KiB
)

// Mail selects what was logged by syslog(3)'s facility of that name.
const Mail = "SYSLOG_FACILITY=2"

// Entry is one line of the log.
type Entry struct {
	Identifier string // the program
	Message    string
}

// Reader reads the entries that match. Its first Read tells nothing: it begins at
// the journal's end.
type Reader struct {
	Program string // "journalctl"
	Match   string // FIELD=value
	cursor  string // of the last entry that was read
}

// Read calls yield with each new entry.
func (r *Reader) Read(ctx context.Context, yield func(Entry)) error {
	if r.cursor == "" {
		return r.run(ctx, []string{"--lines=1"}, func(Entry) {})
	}
	return r.run(ctx, []string{"--after-cursor=" + r.cursor, r.Match}, yield)
}

func (r *Reader) run(ctx context.Context, args []string, yield func(Entry)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.Program,
		append([]string{"--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER"}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("reading the journal: %w", err)
	}
	last, more, readErr := readEntries(out, yield)
	if last != "" {
		r.cursor = last
	}
	if more || readErr != nil {
		cancel()
		waitErr := cmd.Wait()
		if more {
			return nil // that it was killed is not a fault
		}
		return errors.Join(readErr, waitErr)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("reading the journal: %w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// line is an entry as journalctl writes it (systemd.io/JOURNAL_EXPORT_FORMATS): a
// field that is not text is an array of numbers.
type line struct {
	Cursor     string          `json:"__CURSOR"`
	Identifier json.RawMessage `json:"SYSLOG_IDENTIFIER"`
	Message    json.RawMessage `json:"MESSAGE"`
}

// readEntries reads a JSON object a line, and returns the last one's cursor, and
// whether there are more than it reads.
func readEntries(r io.Reader, yield func(Entry)) (last string, more bool, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 0; lines.Scan(); n++ {
		if n == maxEntries {
			return last, true, nil
		}
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return last, false, fmt.Errorf("reading the journal: %w", err)
		}
		last = l.Cursor
		yield(Entry{text(l.Identifier), text(l.Message)})
	}
	if err := lines.Err(); err != nil {
		return last, false, fmt.Errorf("reading the journal: %w", err)
	}
	return last, false, nil
}

// text returns a string, and nothing for anything else.
func text(field json.RawMessage) string {
	var s string
	if len(field) == 0 || json.Unmarshal(field, &s) != nil {
		return ""
	}
	return s
}
