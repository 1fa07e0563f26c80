package authproto

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"chatmaild/packaging/dovecot/tabline"
)

// MaxLine is how long a line of a client may be, in bytes
// (AUTH_CLIENT_MAX_LINE_LENGTH).
const MaxLine = 16384

// Major is the version of the protocols that is spoken.
const Major = 1

// minor is the version that is announced: see doc.go.
const minor = 2

// The commands.
const (
	CmdVersion   = "VERSION"
	CmdClientPID = "CPID"
	CmdAuth      = "AUTH"
	CmdContinue  = "CONT"
	CmdCancel    = "CANCEL"
	CmdRequest   = "REQUEST"
	CmdUser      = "USER"
	CmdPass      = "PASS"
	CmdList      = "LIST"
)

// ErrBroken says that a client broke the protocol and must be disconnected. The
// text of an error never has anything of the line but its command: a line may hold
// a password.
var ErrBroken = errors.New("broken auth protocol")

// maxCommand is more than the longest command has, in bytes.
const maxCommand = 16

// Line is one line of a client.
type Line struct {
	Command string
	args    []string // unescaped
}

// ParseLine parses a line without its line feed. Whether its fields make sense is
// seen by the methods.
func ParseLine(text []byte) (Line, error) {
	if bytes.IndexByte(text, 0) >= 0 {
		return Line{}, fmt.Errorf("%w: a NUL in a line", ErrBroken)
	}
	command, rest, more := bytes.Cut(text, []byte{'\t'})
	if len(command) == 0 || len(command) > maxCommand {
		return Line{}, fmt.Errorf("%w: a line without a command", ErrBroken)
	}
	for _, c := range command {
		if c < 'A' || c > 'Z' {
			return Line{}, fmt.Errorf("%w: a line without a command", ErrBroken)
		}
	}
	l := Line{Command: string(command)}
	for more {
		var field []byte
		field, rest, more = bytes.Cut(rest, []byte{'\t'})
		l.args = append(l.args, tabline.Unescape(field))
	}
	return l, nil
}

func (l Line) broken(want string) error {
	return fmt.Errorf("%w: %s without %s", ErrBroken, l.Command, want)
}

// number returns the i-th field, which is a decimal number.
func (l Line) number(i int, what string) (uint32, error) {
	if i >= len(l.args) {
		return 0, l.broken(what)
	}
	n, err := strconv.ParseUint(l.args[i], 10, 32)
	if err != nil {
		return 0, l.broken(what)
	}
	return uint32(n), nil
}

// MajorVersion reads VERSION.
func (l Line) MajorVersion() (uint32, error) {
	major, err := l.number(0, "a major version")
	if err != nil {
		return 0, err
	}
	_, err = l.number(1, "a minor version")
	return major, err
}

// PID reads CPID: the client's process, which is not 0.
func (l Line) PID() (uint32, error) {
	pid, err := l.number(0, "a process id")
	if err == nil && pid == 0 {
		err = l.broken("a process id")
	}
	return pid, err
}

// ID returns the id of a request.
func (l Line) ID() (uint32, error) { return l.number(0, "an id") }

// Auth is an AUTH command.
type Auth struct {
	ID          uint32
	Mechanism   string
	Client      netip.Addr // of the user; the zero Addr if it is not known
	Via         netip.Addr // of a proxy between; the zero Addr if there is none
	Response    string     // in base64, as it came
	HasResponse bool       // it may be absent, and follow after a CONT of ours
}

// Auth reads AUTH. Parameters that are not in Auth are ignored, as the protocol
// has it.
func (l Line) Auth() (Auth, error) {
	id, err := l.ID()
	switch {
	case err != nil:
		return Auth{}, err
	case id == 0:
		return Auth{}, l.broken("an id")
	case len(l.args) < 2 || l.args[1] == "":
		return Auth{}, l.broken("a mechanism")
	}
	a := Auth{ID: id, Mechanism: l.args[1]}
	for _, parameter := range l.args[2:] {
		if a.HasResponse {
			return Auth{}, fmt.Errorf("%w: a parameter after AUTH's response", ErrBroken)
		}
		name, value, _ := strings.Cut(parameter, "=")
		switch name {
		case "rip": // Postfix may say "unknown"
			if client, err := netip.ParseAddr(value); err == nil {
				a.Client = client.Unmap()
			}
		case "real_rip": // which differs from rip
			if via, err := netip.ParseAddr(value); err == nil {
				a.Via = via.Unmap()
			}
		case "resp":
			a.Response, a.HasResponse = value, true
		}
	}
	return a, nil
}

// Continued reads CONT: the id of the request, and its response in base64.
func (l Line) Continued() (id uint32, response string, err error) {
	if id, err = l.ID(); err == nil && len(l.args) != 2 {
		err = l.broken("a response")
	}
	if err != nil {
		return 0, "", err
	}
	return id, l.args[1], nil
}

// Login is a REQUEST of an imap process: who has logged in?
type Login struct {
	ID        uint32 // of the request
	ClientPID uint32 // of the imap-login process that had the OK
	ClientID  uint32 // of its AUTH
	Cookie    string // of its connection, in hexadecimal
}

// Login reads REQUEST.
func (l Line) Login() (Login, error) {
	var r Login
	for i, field := range []struct {
		to   *uint32
		what string
	}{{&r.ID, "an id"}, {&r.ClientPID, "a client's process id"}, {&r.ClientID, "a client's id"}} {
		n, err := l.number(i, field.what)
		if err != nil {
			return Login{}, err
		}
		*field.to = n
	}
	if len(l.args) < 4 || len(l.args[3]) != CookieLen {
		return Login{}, l.broken("a cookie")
	}
	r.Cookie = l.args[3]
	return r, nil
}

// Named reads USER and PASS: the id of the request, and whom it is about.
func (l Line) Named() (id uint32, name string, err error) {
	if id, err = l.ID(); err == nil && len(l.args) < 2 {
		err = l.broken("a name")
	}
	if err != nil {
		return 0, "", err
	}
	return id, l.args[1], nil
}
