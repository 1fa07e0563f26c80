package main

import (
	"io"
	"net"
	"os"
)

// relay copies bytes between the connections that file 3 listens for and new
// ones to target. The kernel moves them (splice(2)).
func relay(target string) error {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	for {
		in, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", target)
			if err != nil {
				return
			}
			defer out.Close()
			go func() {
				_, _ = io.Copy(in, out)
				_ = in.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(out, in)
		}()
	}
}
