package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// spool is a message that waits until it is whole: in memory, or in a file once it has more
// than is held back anyway. It is then the source of the message.
type spool struct {
	dir   string
	files budget        // of all spools
	wait  time.Duration // for a place among them

	held   []byte // of a message in a file, what is not written yet
	placed bool   // among files
	file   *os.File
	rest   []byte // of held, to be read
}

// errManyLarge is that too many messages wait in files.
var errManyLarge = errors.New("too many large messages at once")

// fill reads the message from d.
func (s *spool) fill(d *dotReader) error {
	for {
		if len(s.held) == cap(s.held) {
			if err := s.write(); err != nil {
				return err
			}
		}
		n, err := d.Read(s.held[len(s.held):cap(s.held)])
		s.held = s.held[:len(s.held)+n]
		if err == io.EOF {
			return s.rewind()
		}
		if err != nil {
			return err
		}
	}
}

// spoolError is a fault of the file.
type spoolError struct{ err error }

func (e *spoolError) Error() string {
	return fmt.Sprintf("keeping a message until it is whole: %v", e.err)
}
func (e *spoolError) Unwrap() error { return e.err }

// noRoom reports whether a spool's disk, or its quota, is full.
func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// write moves what is held to the file.
func (s *spool) write() error {
	if s.file == nil {
		if s.placed = s.files.within(s.wait); !s.placed {
			return errManyLarge
		}
		f, err := os.CreateTemp(s.dir, "message-*")
		if err != nil {
			return &spoolError{err}
		}
		s.file = f
		if err := os.Remove(f.Name()); err != nil {
			return &spoolError{err}
		}
	}
	if _, err := s.file.Write(s.held); err != nil {
		return &spoolError{err}
	}
	s.held = s.held[:0]
	return nil
}

// rewind has the message be read from its beginning.
func (s *spool) rewind() error {
	if s.file == nil {
		s.rest = s.held
		return nil
	}
	if err := s.write(); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return &spoolError{err}
	}
	return nil
}

// Read implements source.
func (s *spool) Read(b []byte) (int, error) {
	if s.file != nil {
		n, err := s.file.Read(b)
		if err != nil && err != io.EOF {
			err = &spoolError{err}
		}
		return n, err
	}
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *spool) unread([]byte) {}

func (s *spool) waiting() time.Duration { return 0 }

func (s *spool) gone() bool { return false }

// scratch is space that nothing is kept in any more.
func (s *spool) scratch() []byte { return s.held[:cap(s.held)] }

// empty forgets the message.
func (s *spool) empty() {
	if s.file != nil {
		s.file.Close()
	}
	if s.placed {
		s.files.release()
	}
	s.file, s.placed, s.rest, s.held = nil, false, nil, s.held[:0]
}
