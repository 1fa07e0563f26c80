package remote

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
)

const (
	maxLine  = 16 << 10 // bytes of a line that a server sends
	maxLines = 100      // of a reply

	// helloName is what we call ourselves in SMTP, unless a caller has reason
	// to look for the name afterwards.
	helloName = "outside.invalid"
)

// Reply is an SMTP server's answer (RFC 5321 §4.2).
type Reply struct {
	Code int
	Text string // of all lines, with spaces between them
}

func (r Reply) String() string { return fmt.Sprintf("%d %s", r.Code, r.Text) }

// Refused reports whether the answer is a no for good.
func (r Reply) Refused() bool { return r.Code >= 500 }

// SMTP is a dialogue with an SMTP server. It is for one goroutine.
type SMTP struct {
	Greeting Reply
	Name     string // what we say in EHLO; "" is a name that nobody has

	conn net.Conn
	r    *bufio.Reader
}

// NewSMTP reads the greeting.
func NewSMTP(conn net.Conn) (*SMTP, error) {
	d := &SMTP{conn: conn, r: bufio.NewReaderSize(conn, maxLine)}
	var err error
	if d.Greeting, err = d.reply(); err != nil {
		return nil, fmt.Errorf("SMTP greeting: %w", err)
	}
	if d.Greeting.Code != 220 {
		return nil, fmt.Errorf("SMTP greeting: %s", d.Greeting)
	}
	return d, nil
}

// Command sends a line and returns the answer to it.
func (d *SMTP) Command(format string, args ...any) (Reply, error) {
	if _, err := fmt.Fprintf(d.conn, format+"\r\n", args...); err != nil {
		return Reply{}, err
	}
	return d.reply()
}

// Want is Command, and any other code is an error.
func (d *SMTP) Want(code int, format string, args ...any) (Reply, error) {
	reply, err := d.Command(format, args...)
	verb, _, _ := strings.Cut(format, " ")
	if err == nil && reply.Code != code {
		err = errors.New(reply.String())
	}
	if err != nil {
		return reply, fmt.Errorf("%s: %w", verb, err)
	}
	return reply, nil
}

// Hello says EHLO and returns the server's extensions, keyword and parameters.
func (d *SMTP) Hello() (map[string]string, error) {
	name := d.Name
	if name == "" {
		name = helloName
	}
	if _, err := fmt.Fprintf(d.conn, "EHLO %s\r\n", name); err != nil {
		return nil, err
	}
	code, lines, err := d.lines()
	if err == nil && code != 250 {
		err = errors.New(Reply{code, strings.Join(lines, " ")}.String())
	}
	if err != nil {
		return nil, fmt.Errorf("EHLO: %w", err)
	}
	extensions := make(map[string]string)
	for _, line := range lines[1:] {
		keyword, parameters, _ := strings.Cut(line, " ")
		extensions[strings.ToUpper(keyword)] = parameters
	}
	return extensions, nil
}

// Login logs in by AUTH PLAIN (RFC 4616).
func (d *SMTP) Login(a Account) (Reply, error) {
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + a.Address + "\x00" + a.Password))
	return d.Command("AUTH PLAIN %s", plain)
}

// Send hands a message over, and returns the answer to it or the first refusal
// before it. Line ends become CRLF, dots are doubled.
func (d *SMTP) Send(from, to, message string) (Reply, error) {
	for _, step := range []struct {
		line string
		want int
	}{
		{"MAIL FROM:<" + from + ">", 250},
		{"RCPT TO:<" + to + ">", 250},
		{"DATA", 354},
	} {
		reply, err := d.Command("%s", step.line)
		if err != nil || reply.Code != step.want {
			return reply, err
		}
	}
	out := bufio.NewWriter(d.conn)
	w := textproto.NewWriter(out).DotWriter()
	if _, err := io.WriteString(w, message); err != nil {
		return Reply{}, err
	}
	if err := errors.Join(w.Close(), out.Flush()); err != nil {
		return Reply{}, err
	}
	return d.reply()
}

// Close ends the connection.
func (d *SMTP) Close() error { return d.conn.Close() }

// reply reads one reply, of as many lines as it has.
func (d *SMTP) reply() (Reply, error) {
	code, lines, err := d.lines()
	return Reply{code, strings.Join(lines, " ")}, err
}

// lines reads them as they came, for those who show them.
func (d *SMTP) lines() (code int, lines []string, err error) {
	for range maxLines {
		line, err := readLine(d.r)
		if err != nil {
			return 0, nil, err
		}
		if len(line) < 3 {
			return 0, nil, fmt.Errorf("%q is not SMTP", line)
		}
		if code, err = strconv.Atoi(line[:3]); err != nil {
			return 0, nil, fmt.Errorf("%.80q is not SMTP", line)
		}
		last := len(line) == 3 || line[3] == ' '
		lines = append(lines, line[min(4, len(line)):])
		if last {
			return code, lines, nil
		}
	}
	return 0, nil, errors.New("an endless SMTP reply")
}

// readLine returns a line without its end.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", fmt.Errorf("a line of more than %d bytes", maxLine)
	}
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}
