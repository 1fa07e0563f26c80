package snapshot

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"chatmaild/applets/admin/transfer/archive"
)

// An inventory is a text of lines:
//
//	inventory 1
//	mailbox "ADDRESS"          in ascending order; each followed by what is in it:
//	SIZE TIME SUM "NAME"       a file: bytes, Unix seconds, a hash or "-"
//	directory "NAME"
//	end MAILBOXES
const inventoryHead = "inventory 1"

// maxInventoryLine is a quoted name of the longest kind, and the rest.
const maxInventoryLine = 4*4096 + 256

// errInventory says that the other side's inventory cannot be read.
var errInventory = errors.New("the inventory of the other side is damaged")

// A stamp tells whether a file is the same on both sides.
type stamp struct {
	dir  bool
	size int64
	time int64  // Unix seconds
	sum  string // of the content; "-" if it is not looked at
}

// contents are the files of one mailbox, by their names in it.
type contents map[string]stamp

func writeContents(w io.Writer, address string, files contents) error {
	b := fmt.Appendf(nil, "mailbox %q\n", address)
	for name, s := range files {
		if s.dir {
			b = fmt.Appendf(b, "directory %q\n", name)
			continue
		}
		b = fmt.Appendf(b, "%d %d %s %q\n", s.size, s.time, s.sum, name)
		if len(b) >= blockSize {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

// inventoryReader reads an inventory, a mailbox at a time.
type inventoryReader struct {
	lines   *bufio.Scanner
	address string // of the next mailbox; "" if there is none
	seen    int
}

func newInventoryReader(r io.Reader) (*inventoryReader, error) {
	i := &inventoryReader{lines: bufio.NewScanner(r)}
	i.lines.Buffer(nil, maxInventoryLine)
	if line, err := i.line(); err != nil || line != inventoryHead {
		return nil, errors.Join(errInventory, err)
	}
	line, err := i.line()
	if err != nil {
		return nil, err
	}
	return i, i.begin(line)
}

func (i *inventoryReader) line() (string, error) {
	if i.lines.Scan() {
		return i.lines.Text(), nil
	}
	if err := i.lines.Err(); err != nil {
		return "", fmt.Errorf("reading the inventory of the other side: %w", err)
	}
	return "", fmt.Errorf("%w: it ends too early", errInventory)
}

// begin takes the first line of a mailbox, or the end.
func (i *inventoryReader) begin(line string) error {
	// The count shows that no line is missing: an inventory that was cut short would make the
	// source send what is there, or worse, delete nothing that is gone.
	if line == fmt.Sprintf("end %d", i.seen) {
		i.address = ""
		return nil
	}
	quoted, ok := strings.CutPrefix(line, "mailbox ")
	address, err := strconv.Unquote(quoted)
	if !ok || err != nil || archive.CheckName(address) != nil || strings.Contains(address, "/") || address <= i.address {
		return fmt.Errorf("%w: %q", errInventory, line)
	}
	i.address = address
	i.seen++
	return nil
}

// next returns what is in the mailbox at i.address, and continues to the one behind it.
func (i *inventoryReader) next() (contents, error) {
	files := contents{}
	for {
		line, err := i.line()
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(line, "mailbox ") || strings.HasPrefix(line, "end ") {
			return files, i.begin(line)
		}
		name, s, err := parseStamp(line)
		if err != nil {
			return nil, err
		}
		files[name] = s
	}
}

// parseStamp reads a line about a file. It comes from another machine, so every field is
// checked.
func parseStamp(line string) (name string, s stamp, err error) {
	bad := fmt.Errorf("%w: %q", errInventory, line)
	rest, dir := strings.CutPrefix(line, "directory ")
	if s.dir = dir; !dir {
		fields := strings.SplitN(line, " ", 4)
		if len(fields) != 4 {
			return "", s, bad
		}
		var err1, err2 error
		s.size, err1 = strconv.ParseInt(fields[0], 10, 64)
		s.time, err2 = strconv.ParseInt(fields[1], 10, 64)
		if err1 != nil || err2 != nil || s.size < 0 || fields[2] == "" {
			return "", s, bad
		}
		s.sum, rest = fields[2], fields[3]
	}
	name, err = strconv.Unquote(rest)
	if err != nil || archive.CheckName(name) != nil {
		return "", s, bad
	}
	return name, s, nil
}
