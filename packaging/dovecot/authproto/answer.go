package authproto

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"chatmaild/packaging/dovecot/tabline"
)

// The commands of a server, as a client sees them.
const (
	CmdMechanism = "MECH"
	CmdDone      = "DONE"
	CmdOK        = "OK"
	CmdFail      = "FAIL"
)

// TryLater is the error of a login that was refused for now, whatever the password. Unlike
// a fault's its words, in ASCII, are for the user; there may be none.
type TryLater string

func (e TryLater) Error() string { return string(e) }

// AppendServerHandshake appends what a client tells a server first: its process.
func AppendServerHandshake(b []byte, pid int) []byte {
	return tabline.AppendLine(appendVersion(b), CmdClientPID, strconv.Itoa(pid))
}

// AppendAuth appends a login by the mechanism PLAIN. Client is where it comes from; the zero
// Addr if that is not known.
func AppendAuth(b []byte, id uint32, service string, c Credentials, client netip.Addr) []byte {
	fields := []string{CmdAuth, strconv.FormatUint(uint64(id), 10), Plain, "service=" + service, "nologin"}
	if client.IsValid() {
		fields = append(fields, "rip="+client.String())
	}
	response := base64.StdEncoding.EncodeToString([]byte("\x00" + c.User + "\x00" + c.Password))
	return tabline.AppendLine(b, append(fields, "resp="+response)...)
}

// AppendCancel appends that a login needs no answer any more.
func AppendCancel(b []byte, id uint32) []byte {
	return tabline.AppendLine(b, CmdCancel, strconv.FormatUint(uint64(id), 10))
}

// Answer is the last word to a login.
type Answer struct {
	ID    uint32
	User  string // whose login it is; "": nobody's
	Later error  // a TryLater if it is not known now whose
}

// Answer reads OK or FAIL.
func (l Line) Answer() (Answer, error) {
	id, err := l.ID()
	switch {
	case err != nil:
		return Answer{}, err
	case l.Command != CmdOK && l.Command != CmdFail:
		return Answer{}, fmt.Errorf("%w: %s is no answer to a login", ErrBroken, l.Command)
	}
	a := Answer{ID: id}
	var user, reason string
	temporary := false
	for _, field := range l.args[1:] {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "user":
			user = value
		case "code":
			temporary = temporary || value == codeTemporary
		case "reason":
			var later bool
			reason, later = strings.CutPrefix(value, unavailable)
			temporary = temporary || later
		}
	}
	switch {
	case l.Command == CmdOK && user == "":
		return Answer{}, l.broken("a user")
	case l.Command == CmdOK:
		a.User = user
	case temporary:
		a.Later = TryLater(reason)
	}
	return a, nil
}
