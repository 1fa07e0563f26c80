package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"

	"chatmaild/testdata/kit/measure"
)

// A server that knows nothing and looks nothing up is the floor: what the same
// requests cost in Go and in the kernel alone.

// startFloor runs this program as a floor, in a process of its own.
func startFloor(dir string) (*daemon, error) {
	socket := filepath.Join(dir, "floor.socket")
	cmd, err := measure.Self("-floor", socket)
	if err != nil {
		return nil, err
	}
	d := &daemon{all: socket}
	return d, d.start(cmd, socket)
}

// greeting is for a peer that names a version, and more of it for a client, which names its
// process.
const (
	greeting       = "VERSION\t1\t2\nSPID\t1\n"
	clientGreeting = "MECH\tPLAIN\tplaintext\nCUID\t1\nCOOKIE\t00000000000000000000000000000000\nDONE\n"
)

// logins are those that imap has not asked for, by process and number.
var logins sync.Map

// floor answers each login, look-up and commit on a socket.
func floor(socket string) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go answer(c)
	}
}

func answer(c net.Conn) {
	defer c.Close()
	in, pid := bufio.NewReader(c), ""
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		reply := ""
		switch command, rest, _ := bytes.Cut(line[:len(line)-1], []byte{'\t'}); string(command) {
		case "VERSION":
			reply = greeting
		case "CPID":
			pid, reply = string(rest), clientGreeting
		case "AUTH":
			id, user := "1", "a"
			if !bytes.Contains(rest, []byte("\tnologin")) { // imap will ask
				id, user = loginOf(string(rest))
				logins.Store(pid+"\t"+id, user)
			}
			reply = "OK\t" + id + "\tuser=" + user + "\n"
		case "REQUEST": // its number, then process and number of the login
			f := strings.SplitN(string(rest), "\t", 4)
			user, _ := logins.LoadAndDelete(f[1] + "\t" + f[2])
			reply = fmt.Sprintf("USER\t%s\t%v\n", f[0], user)
		case "USER":
			reply = "USER\t1\ta\n"
		case "C1":
			reply = "O1\n"
		default:
			continue
		}
		if _, err := c.Write([]byte(reply)); err != nil {
			return
		}
	}
}

// loginOf reads the number of a login and who it is, from what follows AUTH.
func loginOf(request string) (id, user string) {
	id, rest, _ := strings.Cut(request, "\t")
	_, response, _ := strings.Cut(rest, "\tresp=")
	text, err := base64.StdEncoding.DecodeString(response)
	if fields := strings.Split(string(text), "\x00"); err == nil && len(fields) == 3 {
		return id, fields[1]
	}
	return id, ""
}
