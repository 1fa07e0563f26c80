package remote

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxLiteral   = 1 << 20 // bytes
	maxResponses = 10_000  // to one command
)

// IMAP is a dialogue with an IMAP server. It is for one goroutine.
type IMAP struct {
	Greeting string

	conn     net.Conn
	r        *bufio.Reader
	tag      int
	messages int // in the open mailbox, as last told
}

// NewIMAP reads the greeting.
func NewIMAP(conn net.Conn) (*IMAP, error) {
	d := &IMAP{conn: conn, r: bufio.NewReaderSize(conn, maxLine)}
	var err error
	if d.Greeting, err = d.response(); err != nil {
		return nil, fmt.Errorf("IMAP greeting: %w", err)
	}
	if !strings.HasPrefix(d.Greeting, "* OK") {
		return nil, fmt.Errorf("IMAP greeting: %.200s", d.Greeting)
	}
	return d, nil
}

// Command sends a command and returns the untagged responses, literals in place,
// and the tagged one without its tag: "OK …", "NO …".
func (d *IMAP) Command(format string, args ...any) (untagged []string, status string, err error) {
	d.tag++
	tag := "t" + strconv.Itoa(d.tag) + " "
	if _, err := fmt.Fprintf(d.conn, tag+format+"\r\n", args...); err != nil {
		return nil, "", err
	}
	for range maxResponses {
		line, err := d.response()
		if err != nil {
			return untagged, "", err
		}
		if status, ok := strings.CutPrefix(line, tag); ok {
			return untagged, status, nil
		}
		untagged = append(untagged, line)
	}
	return nil, "", errors.New("endless IMAP responses")
}

// OK is Command for a command that has to succeed.
func (d *IMAP) OK(format string, args ...any) (untagged []string, err error) {
	untagged, status, err := d.Command(format, args...)
	if err == nil && !strings.HasPrefix(status, "OK") {
		err = errors.New(status)
	}
	if err != nil {
		verb, _, _ := strings.Cut(format, " ")
		return untagged, fmt.Errorf("%s: %w", verb, err)
	}
	return untagged, nil
}

// Login logs in; a *Refused is the server's no.
func (d *IMAP) Login(a Account) error {
	_, status, err := d.Command("LOGIN %s %s", quote(a.Address), quote(a.Password))
	if err != nil {
		return fmt.Errorf("LOGIN: %w", err)
	}
	if !strings.HasPrefix(status, "OK") {
		return &Refused{"LOGIN", status}
	}
	return nil
}

// Refused is a command that the server understood and said no to.
type Refused struct{ Verb, Status string }

func (e *Refused) Error() string { return e.Verb + ": " + e.Status }

// Capabilities asks what the server can do.
func (d *IMAP) Capabilities() ([]string, error) {
	untagged, err := d.OK("CAPABILITY")
	if err != nil {
		return nil, err
	}
	for _, line := range untagged {
		if list, ok := strings.CutPrefix(line, "* CAPABILITY "); ok {
			return strings.Fields(strings.ToUpper(list)), nil
		}
	}
	return nil, errors.New("CAPABILITY: no answer")
}

// Select opens the INBOX and returns how many messages are in it.
func (d *IMAP) Select() (messages int, err error) {
	_, err = d.OK("SELECT INBOX")
	return d.messages, err
}

// Wait waits, by IDLE (RFC 2177), until there are more messages than known, and
// returns how many there are.
func (d *IMAP) Wait(known int) (messages int, err error) {
	messages, err = d.idle(known, 0)
	if err == nil && messages <= known {
		err = errors.New("IDLE: the server has ended it")
	}
	return messages, err
}

// patience is how long Await trusts IDLE.
const patience = 5 * time.Second

// Await is Wait for those who have to know in any case: it asks, too, when IDLE has
// said nothing for five seconds. It returns whether IDLE told.
func (d *IMAP) Await(known int) (messages int, told bool, err error) {
	for {
		messages, err = d.idle(known, patience)
		if err != nil || messages > known {
			return messages, true, err
		}
		if _, err = d.OK("NOOP"); err != nil || d.messages > known {
			return d.messages, false, err
		}
	}
}

// idle is in IDLE until there are more messages than known, or limit has passed;
// a limit of 0 is none.
func (d *IMAP) idle(known int, limit time.Duration) (messages int, err error) {
	if d.messages > known {
		return d.messages, nil
	}
	if _, err := fmt.Fprint(d.conn, "idle IDLE\r\n"); err != nil {
		return 0, err
	}
	// What cannot be written will not be answered either.
	end := sync.OnceFunc(func() { _, _ = fmt.Fprint(d.conn, "DONE\r\n") })
	if limit > 0 {
		timer := time.AfterFunc(limit, end)
		defer timer.Stop()
	}
	for {
		line, err := d.response()
		if err != nil {
			return 0, fmt.Errorf("IDLE: %w", err)
		}
		if status, ok := strings.CutPrefix(line, "idle "); ok {
			if !strings.HasPrefix(status, "OK") {
				return 0, fmt.Errorf("IDLE: %s", status)
			}
			return d.messages, nil
		}
		if d.messages > known {
			end()
		}
	}
}

// Message returns a message of the open mailbox, by its number, as it lies there.
func (d *IMAP) Message(number int) (string, error) {
	got, err := d.Fetch(strconv.Itoa(number), "BODY.PEEK[]")
	if err == nil && len(got) != 1 {
		err = fmt.Errorf("%d messages with the number %d", len(got), number)
	}
	if err != nil {
		return "", err
	}
	return got[0], nil
}

// Fetch returns a data item that is a literal, of a set of messages.
func (d *IMAP) Fetch(set, item string) ([]string, error) {
	untagged, err := d.OK("FETCH %s %s", set, item)
	if err != nil {
		return nil, err
	}
	var literals []string
	for _, line := range untagged {
		if _, rest, ok := strings.Cut(line, " FETCH "); ok && strings.Contains(rest, "{") {
			text, _ := cutLiteral(rest[strings.IndexByte(rest, '{'):])
			literals = append(literals, text)
		}
	}
	return literals, nil
}

// Close ends the connection.
func (d *IMAP) Close() error { return d.conn.Close() }

// response reads one response and notes what it says of the mailbox.
func (d *IMAP) response() (string, error) {
	text, err := d.read()
	if n, ok := exists(text); ok && err == nil {
		d.messages = n
	}
	return text, err
}

// read reads one response; literals (RFC 3501 §4.3) are part of it.
func (d *IMAP) read() (string, error) {
	var b strings.Builder
	for {
		line, err := readLine(d.r)
		if err != nil {
			return "", err
		}
		b.WriteString(line)
		size, ok := literal(line)
		if !ok {
			return b.String(), nil
		}
		if b.Len()+size > maxLiteral {
			return "", fmt.Errorf("a response of more than %d bytes", maxLiteral)
		}
		if _, err := io.CopyN(&b, d.r, int64(size)); err != nil {
			return "", err
		}
	}
}

// literal reads the size of the literal that a line announces at its end.
func literal(line string) (size int, ok bool) {
	start := strings.LastIndexByte(line, '{')
	if start < 0 || !strings.HasSuffix(line, "}") {
		return 0, false
	}
	size, err := strconv.Atoi(line[start+1 : len(line)-1])
	return size, err == nil && size >= 0
}

// exists reads "* 3 EXISTS".
func exists(line string) (n int, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 3 || fields[0] != "*" || fields[2] != "EXISTS" {
		return 0, false
	}
	n, err := strconv.Atoi(fields[1])
	return n, err == nil
}

// quote makes a quoted string (RFC 3501 §4.3).
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
