// Package journal follows the system's journal, by journalctl(1): each call of Read
// tells what was written since the last one.
package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// Bounds of one Read. What is beyond maxEntries is for the next.
const (
	maxEntries = 200_000
	maxField   = 64 << 10 // bytes; journald cuts a message at 48 KiB
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
		append([]string{"--quiet", "--no-pager", "--output=export", "--output-fields=" + messageField + "," + identifierField}, args...)...)
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

// Fields of the export format.
const (
	cursorField     = "__CURSOR"
	identifierField = "SYSLOG_IDENTIFIER"
	messageField    = "MESSAGE"
)

// readEntries reads the export format (systemd.io/JOURNAL_EXPORT_FORMATS): a field a line, and
// an empty line after each entry. It returns the last entry's cursor, and whether there are more
// than it reads.
func readEntries(r io.Reader, yield func(Entry)) (last string, more bool, err error) {
	fields := bufio.NewReaderSize(r, maxField)
	var e Entry
	var cursor string
	for n := 0; ; {
		name, value, err := readField(fields)
		switch {
		case err == io.EOF && cursor == "":
			return last, false, nil
		case err != nil:
			return last, false, fmt.Errorf("reading the journal: %w", noEOF(err))
		case name == cursorField && n == maxEntries:
			return last, true, nil
		case name == cursorField:
			cursor = value
		case name == identifierField:
			e.Identifier = value
		case name == messageField:
			e.Message = value
		case name == "": // the end of an entry
			yield(e)
			n++
			last, cursor, e = cursor, "", Entry{}
		}
	}
}

// readField reads one line, "" for an empty one. Of a value that is not text, whose length
// comes before it, nothing is returned.
func readField(r *bufio.Reader) (name, value string, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		if err == io.EOF && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return "", "", err
	}
	field, text, isText := bytes.Cut(line[:len(line)-1], []byte("="))
	switch name = string(field); {
	case isText:
		return name, string(text), nil
	case name == "":
		return "", "", nil
	}
	var size uint64
	if err := binary.Read(r, binary.LittleEndian, &size); err != nil {
		return "", "", noEOF(err)
	}
	if size > maxField {
		return "", "", fmt.Errorf("%s has %d bytes; %d at most were expected", name, size, maxField)
	}
	_, err = r.Discard(int(size) + 1)
	return name, "", noEOF(err)
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
