package queue

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxReply bounds the answer of flush, in bytes. It has three attributes.
const maxReply = 1 << 10

// askFlush has the flush service, at the other end of conn, try a message (flush.c and
// flush_clnt.h of Postfix 3).
func askFlush(conn io.ReadWriter, id string) error {
	if _, err := io.WriteString(conn, "request\x00send_file\x00queue_id\x00"+id+"\x00\x00"); err != nil {
		return fmt.Errorf("asking Postfix to try a message: %w", err)
	}
	in := bufio.NewReaderSize(io.LimitReader(conn, maxReply), maxReply)
	for {
		name, err := attribute(in)
		if errors.Is(err, io.EOF) {
			err = errCut
		}
		if err != nil {
			return fmt.Errorf("asking Postfix to try a message: %w", err)
		}
		if name != "status" { // the protocol's name comes first, and an end
			continue
		}
		switch status, err := attribute(in); {
		case err != nil:
			return fmt.Errorf("asking Postfix to try a message: %w", err)
		case status != "0":
			return fmt.Errorf("asking Postfix to try a message: it answers %q", status)
		}
		return nil
	}
}
