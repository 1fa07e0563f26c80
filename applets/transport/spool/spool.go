// Package spool keeps a message while it is delivered: a small one in memory, a large one
// in a file without a name, which goes with the process.
package spool

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// inMemory is the size of the largest message in bytes that is kept in memory.
const inMemory = 128 << 10

// Message is a message that is kept.
type Message struct {
	front  string
	memory []byte
	file   *os.File // if it is not in memory
	size   int64
}

// New keeps what r has, with files in a directory.
func New(r io.Reader, dir string) (*Message, error) {
	var memory bytes.Buffer
	n, err := io.CopyN(&memory, r, inMemory)
	if err == io.EOF {
		return &Message{memory: memory.Bytes(), size: n}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a message: %w", err)
	}
	file, err := os.CreateTemp(dir, "message-")
	if err != nil {
		return nil, fmt.Errorf("keeping a message: %w", err)
	}
	m := &Message{file: file}
	if err := os.Remove(file.Name()); err != nil {
		m.Close()
		return nil, fmt.Errorf("keeping a message: %w", err)
	}
	if m.size, err = io.Copy(file, io.MultiReader(&memory, r)); err != nil {
		m.Close()
		return nil, fmt.Errorf("keeping a message: %w", err)
	}
	return m, nil
}

// Prepend puts text in front of the message.
func (m *Message) Prepend(text string) { m.front = text + m.front }

// Size is that of the message in bytes.
func (m *Message) Size() int64 { return int64(len(m.front)) + m.size }

// Open returns the message from its beginning. Several may read it at once.
func (m *Message) Open() io.Reader {
	var body io.Reader = bytes.NewReader(m.memory)
	if m.file != nil {
		body = io.NewSectionReader(m.file, 0, m.size)
	}
	if m.front == "" {
		return body
	}
	return io.MultiReader(strings.NewReader(m.front), body)
}

// Close forgets the message.
func (m *Message) Close() error {
	m.memory = nil
	if m.file == nil {
		return nil
	}
	return m.file.Close()
}
