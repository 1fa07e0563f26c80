package main

import (
	"bufio"
	"fmt"
	"net"
	"time"
)

// senders is how many different senders there are.
const senders = 2000

// sendOne sends one message over a connection of its own, with the commands
// and the pauses that smtpd_proxy_filter has, and returns how long it took.
func sendOne(addr string, n int, data []byte) (time.Duration, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(conn, 1024)
	from := fmt.Sprintf("sender%04d@bench.test", n%senders)
	if err := say(r, conn, nil, '2'); err != nil {
		return 0, err
	}
	if err := say(r, conn, []byte("EHLO bench.test\r\n"), '2'); err != nil {
		return 0, err
	}
	start := time.Now()
	for _, step := range []struct {
		command string
		want    byte
	}{
		{"MAIL FROM:<" + from + ">\r\n", '2'},
		{"RCPT TO:<someone@far.test>\r\n", '2'},
		{"DATA\r\n", '3'},
	} {
		if err := say(r, conn, []byte(step.command), step.want); err != nil {
			return 0, err
		}
	}
	bufs := net.Buffers{[]byte("From: <" + from + ">\r\n"), data, []byte(".\r\n")}
	if _, err := bufs.WriteTo(conn); err != nil {
		return 0, err
	}
	if err := say(r, conn, nil, '2'); err != nil {
		return 0, err
	}
	took := time.Since(start)
	return took, say(r, conn, []byte("QUIT\r\n"), '2')
}

// say sends a command, if there is one, and reads the reply to it.
func say(r *bufio.Reader, conn net.Conn, command []byte, want byte) error {
	if command != nil {
		if _, err := conn.Write(command); err != nil {
			return err
		}
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("after %.20q: %w", command, err)
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		if line[0] != want {
			return fmt.Errorf("after %.20q: %q", command, line)
		}
		return nil
	}
}
