package main

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A server that knows nothing and looks nothing up is the floor: what the same
// requests cost in Go and in the kernel alone.

// startFloor runs this program as a floor, in a process of its own.
func startFloor(dir string) (*daemon, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "floor.socket")
	d := &daemon{cmd: exec.Command(self, "-floor", socket), all: socket}
	return d, d.start(filepath.Join(dir, "floor.log"), "", 10*time.Second)
}

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
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		reply := ""
		switch command, _, _ := bytes.Cut(line[:len(line)-1], []byte{'\t'}); string(command) {
		case "VERSION":
			reply = "SPID\t1\n"
		case "CPID":
			reply = "DONE\n"
		case "AUTH":
			reply = "OK\t1\tuser=a\n"
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
