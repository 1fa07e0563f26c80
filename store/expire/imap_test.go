package expire

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// imapClient speaks just enough IMAP (RFC 9051) for a test, a command at a time.
type imapClient struct {
	d    *dovecot
	conn net.Conn
	r    *bufio.Reader
	tag  int
}

func (d *dovecot) login(user string) *imapClient {
	conn, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.Error(err)
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c := &imapClient{d: d, conn: conn, r: bufio.NewReader(conn)}
	c.line()
	c.ok("LOGIN " + user + " x")
	return c
}

func (c *imapClient) line() string {
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.d.Errorf("imap: %v", err)
		return "broken"
	}
	return strings.TrimRight(line, "\r\n")
}

func (c *imapClient) send(format string, args ...any) {
	if _, err := fmt.Fprintf(c.conn, format+"\r\n", args...); err != nil {
		c.d.Errorf("imap: %v", err)
	}
}

var literal = regexp.MustCompile(`\{(\d+)\}$`)

// do sends a command and returns what was answered before the tagged reply, and
// the reply without its tag.
func (c *imapClient) do(command string) (answer, reply string) {
	c.tag++
	tag := fmt.Sprintf("t%d ", c.tag)
	c.send("%s%s", tag, command)
	return c.until(tag)
}

func (c *imapClient) until(tag string) (answer, reply string) {
	var b strings.Builder
	for {
		line := c.line()
		if rest, ok := strings.CutPrefix(line, tag); ok || line == "broken" {
			return b.String(), rest
		}
		b.WriteString(line + "\n")
		if m := literal.FindStringSubmatch(line); m != nil {
			var n int64
			_, _ = fmt.Sscan(m[1], &n)
			if _, err := io.CopyN(&b, c.r, n); err != nil {
				c.d.Errorf("imap: %v", err)
			}
		}
	}
}

// ok is do for a command that has to work.
func (c *imapClient) ok(command string) string {
	answer, reply := c.do(command)
	if !strings.HasPrefix(reply, "OK") {
		c.d.Errorf("imap: %s: %s", command, reply)
	}
	return answer
}

// okOrGone is do for a command on messages that may be gone meanwhile.
func (c *imapClient) okOrGone(command string) string {
	answer, reply := c.do(command)
	if !strings.HasPrefix(reply, "OK") && !strings.Contains(reply, "EXPUNGEISSUED") {
		c.d.Errorf("imap: %s: %s", command, reply)
	}
	return answer
}

var uidValidity = regexp.MustCompile(`UIDVALIDITY (\d+)`)

func (c *imapClient) selectBox(box string) string {
	m := uidValidity.FindStringSubmatch(c.ok("SELECT " + box))
	if m == nil {
		c.d.Errorf("imap: SELECT %s without UIDVALIDITY", box)
		return ""
	}
	return m[1]
}

// fetch is a session that reads all of a folder, and sets flags, which renames the
// files.
func (d *dovecot) fetch(user, box string, validity map[string]string, n int) {
	c := d.login(user)
	defer c.conn.Close()
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
	defer c.conn.Close()
	c.selectBox("INBOX")
	for n := 0; ; n++ {
		tag := fmt.Sprintf("i%d ", n)
		c.send("%sIDLE", tag)
		if line := c.line(); !strings.HasPrefix(line, "+") && !strings.HasPrefix(line, "*") {
			d.Errorf("imap: IDLE: %s", line)
			return
		}
		select {
		case <-stop:
			c.send("DONE")
			c.until(tag)
			c.ok("LOGOUT")
			return
		case <-time.After(300 * time.Millisecond):
		}
		c.send("DONE")
		if _, reply := c.until(tag); !strings.HasPrefix(reply, "OK") {
			d.Errorf("imap: IDLE: %s", reply)
			return
		}
		c.okOrGone("UID FETCH * (BODY.PEEK[])")
	}
}

// append uploads a message and returns its Message-ID.
func (d *dovecot) append(user string, n int) string {
	c := d.login(user)
	defer c.conn.Close()
	id := fmt.Sprintf("<append-%d@x.test>", n)
	text := "From: me@x.test\r\nMessage-ID: " + id + "\r\n\r\n" + strings.Repeat("sent\r\n", n%100)
	// The date is the client's word; what counts is when it came.
	c.ok(fmt.Sprintf("APPEND Sent \"01-Jan-2001 00:00:00 +0000\" {%d+}\r\n%s", len(text), text))
	c.ok("LOGOUT")
	return id
}

// deliver sends a message by LMTP (RFC 2033) and returns its Message-ID.
func (d *dovecot) deliver(user string, n int) string {
	id := fmt.Sprintf("<lmtp-%d@x.test>", n)
	conn, err := net.Dial("unix", filepath.Join(d.base, "run", "lmtp"))
	if err != nil {
		d.Error(err)
		return id
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(conn)
	expect := func(code string) {
		for {
			line, err := r.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, code) {
				d.Errorf("lmtp: got %q, %v; want %s", line, err, code)
				return
			}
			if line[3] == ' ' {
				return
			}
		}
	}
	expect("220")
	for _, step := range [][2]string{
		{"LHLO x.test", "250"}, {"MAIL FROM:<old@x.test>", "250"}, {"RCPT TO:<" + user + ">", "250"}, {"DATA", "354"},
		{"From: old@x.test\r\nMessage-ID: " + id + "\r\n\r\n" + strings.Repeat("new\r\n", n%200) + ".", "250"}, {"QUIT", "221"},
	} {
		fmt.Fprintf(conn, "%s\r\n", step[0])
		expect(step[1])
	}
	return id
}
