package imap

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

// Bounds of what a server sends; see the package comment.
const (
	maxLine      = 64 << 10 // bytes
	maxResponses = 10_000   // to one command

	// DefaultMaxResponse is a Client's MaxResponse unless it is set.
	DefaultMaxResponse = 1 << 20
)

// Client is a dialogue with an IMAP server. It is for one goroutine.
type Client struct {
	Greeting string
	// MaxResponse bounds a response with its literals, in bytes: a message has to fit.
	MaxResponse int

	conn     net.Conn
	r        *bufio.Reader
	tag      int
	messages int // in the open mailbox, as last told
}

// New reads the greeting of the server at the other end of conn.
func New(conn net.Conn) (*Client, error) {
	d := Resume(conn)
	var err error
	if d.Greeting, err = d.response(); err != nil {
		return nil, fmt.Errorf("IMAP greeting: %w", err)
	}
	if !strings.HasPrefix(d.Greeting, "* OK") {
		return nil, fmt.Errorf("IMAP greeting: %.200s", d.Greeting)
	}
	return d, nil
}

// Resume is New where the greeting has been read: after STARTTLS there is no other one.
func Resume(conn net.Conn) *Client {
	return &Client{MaxResponse: DefaultMaxResponse, conn: conn, r: bufio.NewReaderSize(conn, maxLine)}
}

// Command sends a command and returns the untagged responses, literals in place,
// and the tagged one without its tag: "OK …", "NO …".
func (d *Client) Command(format string, args ...any) (untagged []string, status string, err error) {
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
func (d *Client) OK(format string, args ...any) (untagged []string, err error) {
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
func (d *Client) Login(user, password string) error {
	_, status, err := d.Command("LOGIN %s %s", quote(user), quote(password))
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
func (d *Client) Capabilities() ([]string, error) {
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
func (d *Client) Select() (messages int, err error) {
	_, err = d.OK("SELECT INBOX")
	return d.messages, err
}

// Wait waits, by IDLE (RFC 2177), until there are more messages than known, and
// returns how many there are.
func (d *Client) Wait(known int) (messages int, err error) {
	if err := d.idleFor(known, 0); err != nil {
		return 0, err
	}
	if d.messages <= known {
		return d.messages, errors.New("IDLE: the server has ended it")
	}
	return d.messages, nil
}

// patience is how long Await trusts IDLE.
const patience = 5 * time.Second

// Await is Wait for those who have to know in any case: it asks, too, when IDLE has
// said nothing for five seconds. It returns whether IDLE told.
func (d *Client) Await(known int) (messages int, told bool, err error) {
	for {
		if err := d.idleFor(known, patience); err != nil {
			return 0, true, err
		}
		if d.messages > known {
			return d.messages, true, nil
		}
		if _, err = d.OK("NOOP"); err != nil || d.messages > known {
			return d.messages, false, err
		}
	}
}

// idleFor is in IDLE until there are more messages than known, or limit has passed.
func (d *Client) idleFor(known int, limit time.Duration) error {
	if d.messages > known {
		return nil
	}
	return d.idle(func(string) bool { return d.messages > known }, limit)
}

// Idle is in IDLE until a line of the server's meets a condition. The first line is the
// server's consent, "+ idling".
func (d *Client) Idle(met func(line string) bool) error { return d.idle(met, 0) }

// idle ends IDLE once a line meets the condition, or limit has passed; a limit of 0 is
// none. It returns when the server has confirmed the end.
func (d *Client) idle(met func(line string) bool, limit time.Duration) error {
	if _, err := fmt.Fprint(d.conn, "idle IDLE\r\n"); err != nil {
		return fmt.Errorf("IDLE: %w", err)
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
			return fmt.Errorf("IDLE: %w", err)
		}
		if status, ok := strings.CutPrefix(line, "idle "); ok {
			if !strings.HasPrefix(status, "OK") {
				return fmt.Errorf("IDLE: %s", status)
			}
			return nil
		}
		if met(line) {
			end()
		}
	}
}

// Message returns a message of the open mailbox, by its number, as it lies there.
func (d *Client) Message(number int) (string, error) {
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
func (d *Client) Fetch(set, item string) ([]string, error) {
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
func (d *Client) Close() error { return d.conn.Close() }

// response reads one response and notes what it says of the mailbox.
func (d *Client) response() (string, error) {
	text, err := d.read()
	if n, ok := exists(text); ok && err == nil {
		d.messages = n
	}
	return text, err
}

// read reads one response; literals (RFC 3501 §4.3) are part of it.
func (d *Client) read() (string, error) {
	var b strings.Builder
	for {
		slice, err := d.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return "", fmt.Errorf("a line of more than %d bytes", maxLine)
		}
		if err != nil {
			return "", err
		}
		line := strings.TrimRight(string(slice), "\r\n")
		b.WriteString(line)
		size, ok := literal(line)
		if !ok {
			return b.String(), nil
		}
		if b.Len()+size > d.MaxResponse {
			return "", fmt.Errorf("a response of more than %d bytes", d.MaxResponse)
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
