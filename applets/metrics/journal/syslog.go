package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	// mailFacility is syslog's facility of mail systems (RFC 3164, section 4.1.1).
	mailFacility = 2
	// maxDatagram bounds a line, in bytes; what is beyond is cut off.
	maxDatagram = 8 << 10
)

// Follow calls yield with each line of the mail log that comes in at a socket, where there
// is no journal: "chatmaild supervise" passes them on. It ends with ctx, and closes in.
func Follow(ctx context.Context, in *net.UnixConn, yield func(Entry)) error {
	defer in.Close()
	defer context.AfterFunc(ctx, func() { in.Close() })()
	buf := make([]byte, maxDatagram)
	for {
		n, err := in.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the servers' log: %w", err)
		}
		if e, err := parseSyslog(buf[:n]); err == nil {
			yield(e)
		}
	}
}

var errOther = errors.New("not a line of the mail log")

// parseSyslog parses "<22>Nov 28 22:00:05 postfix/qmgr[5]: text" (RFC 3164, section 4.1), the
// form of syslog(3) on this machine: without a host name.
func parseSyslog(datagram []byte) (Entry, error) {
	priority, rest, ok := bytes.Cut(datagram, []byte(">"))
	if !ok || len(priority) < 2 || len(priority) > len("<191") || priority[0] != '<' {
		return Entry{}, errOther
	}
	var number int
	for _, digit := range priority[1:] {
		if digit < '0' || digit > '9' {
			return Entry{}, errOther
		}
		number = number*10 + int(digit-'0')
	}
	if number>>3 != mailFacility || len(rest) < len(time.Stamp)+1 || rest[len(time.Stamp)] != ' ' {
		return Entry{}, errOther
	}
	tag, message, ok := bytes.Cut(rest[len(time.Stamp)+1:], []byte(": "))
	if !ok {
		return Entry{}, errOther
	}
	program, _, _ := bytes.Cut(tag, []byte("["))
	return Entry{string(program), string(bytes.TrimRight(message, "\n\x00"))}, nil
}
