// Package monologue is the far end of a dialogue that says all that it has to say at
// once, and keeps what it hears, for tests of clients of line protocols.
package monologue

import (
	"bytes"
	"net"
	"strings"
)

// Conn is a connection to such an end.
type Conn struct {
	net.Conn
	Heard bytes.Buffer

	says *strings.Reader
}

// Says is a connection to an end that says text, and then ends it.
func Says(text string) *Conn { return &Conn{says: strings.NewReader(text)} }

func (c *Conn) Read(p []byte) (int, error)  { return c.says.Read(p) }
func (c *Conn) Write(p []byte) (int, error) { return c.Heard.Write(p) }
func (c *Conn) Close() error                { return nil }
