package expire

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"chatmaild/applets/chat/imap"
	"chatmaild/testdata/kit/smtp"
)

// session is a session whose commands have to work.
type session struct {
	*imap.Client
	d *dovecot
}

func (d *dovecot) login(user string) *session {
	conn, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.Error(err)
		return nil
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	c, err := imap.New(conn)
	if err == nil {
		err = c.Login(user, "x")
	}
	if err != nil {
		d.Error(err)
		return nil
	}
	return &session{c, d}
}

// ok is a command that has to work; it returns what was answered.
func (s *session) ok(command string) string {
	untagged, err := s.OK("%s", command)
	if err != nil {
		s.d.Error(err)
	}
	return strings.Join(untagged, "\n")
}

// okOrGone is a command on messages that may be gone meanwhile.
func (s *session) okOrGone(command string) {
	_, status, err := s.Command("%s", command)
	if err != nil || !strings.HasPrefix(status, "OK") && !strings.Contains(status, "EXPUNGEISSUED") {
		s.d.Errorf("imap: %s: %s, %v", command, status, err)
	}
}

var uidValidity = regexp.MustCompile(`UIDVALIDITY (\d+)`)

func (c *session) selectBox(box string) string {
	m := uidValidity.FindStringSubmatch(c.ok("SELECT " + box))
	if m == nil {
		c.d.Errorf("imap: SELECT %s without UIDVALIDITY", box)
		return ""
	}
	return m[1]
}

// fetch is a session that reads all of a directory, and sets flags, which renames the
// files.
func (d *dovecot) fetch(user, box string, validity map[string]string, n int) {
	c := d.login(user)
	defer c.Close()
	if got := c.selectBox(box); got != validity[user+box] {
		d.Errorf("UIDVALIDITY changed from %s to %s", validity[user+box], got)
	}
	for range 3 {
		c.okOrGone("UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
		c.okOrGone("UID STORE 1:* " + []string{"+", "-"}[n%2] + "FLAGS (\\Flagged)")
		c.okOrGone("UID SEARCH ALL")
		c.ok("GETQUOTAROOT INBOX")
	}
	c.ok("LOGOUT")
}

// idle is a session that waits for messages and reads each.
func (d *dovecot) idle(user string, stop <-chan struct{}) {
	c := d.login(user)
	defer c.Close()
	c.selectBox("INBOX")
	for over := false; !over; {
		err := c.Idle(func(line string) bool {
			select {
			case <-stop:
				over = true
			case <-time.After(300 * time.Millisecond):
			}
			return true
		})
		if err != nil {
			d.Error(err)
			return
		}
		if !over {
			c.okOrGone("UID FETCH * (BODY.PEEK[])")
		}
	}
	c.ok("LOGOUT")
}

// append uploads a message and returns its Message-ID.
func (d *dovecot) append(user string, n int) string {
	c := d.login(user)
	defer c.Close()
	id := fmt.Sprintf("<append-%d@x.test>", n)
	text := "From: me@x.test\r\nMessage-ID: " + id + "\r\n\r\n" + strings.Repeat("sent\r\n", n%100)
	// The date is the client's word; what counts is when it came.
	c.ok(fmt.Sprintf("APPEND Sent \"01-Jan-2001 00:00:00 +0000\" {%d+}\r\n%s", len(text), text))
	c.ok("LOGOUT")
	return id
}

// deliver sends a message by LMTP and returns its Message-ID.
func (d *dovecot) deliver(user string, n int) string {
	id := fmt.Sprintf("<lmtp-%d@x.test>", n)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := net.Dial("unix", filepath.Join(d.base, "run", "lmtp"))
	if err != nil {
		d.Error(err)
		return id
	}
	c, err := smtp.New(ctx, conn)
	if err != nil {
		d.Error(err)
		return id
	}
	defer c.Close()
	reply, err := c.Command("LHLO x.test")
	if err == nil {
		reply, err = c.Send("old@x.test", user, "From: old@x.test\r\nMessage-ID: "+id+"\r\n\r\n"+strings.Repeat("new\r\n", n%200))
	}
	if err != nil || !strings.HasPrefix(reply, "250") {
		d.Errorf("lmtp: got %q, %v", reply, err)
	}
	return id
}
