package dial

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// TestLost has connections in all states, and looks after which time they are given up.
func TestLost(t *testing.T) {
	for _, test := range []struct {
		name  string
		state func(since time.Duration) state // what the kernel says
		after time.Duration                   // it is given up; 0: never
	}{
		{"all was acknowledged", func(since time.Duration) state { return state{false, 0, since} }, 0},
		{"the host has no room", func(time.Duration) state { return state{true, 1, 20 * time.Second} }, 0},
		{"it has just been repeated", func(time.Duration) state { return state{true, repeats, time.Second} }, 0},
		{"nothing comes", func(since time.Duration) state { return state{true, repeats, 20*time.Second + since} }, look},
		{"nothing comes any more", func(since time.Duration) state { return state{true, int(since / time.Second), since} }, silence},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				defer there.Close()
				start, looks := time.Now(), 0
				p := &patient{Conn: here, timeout: time.Minute, state: func() (state, error) {
					looks++
					return test.state(time.Since(start)), nil
				}}
				defer p.Close()
				go io.Copy(io.Discard, there)
				if _, err := p.Write([]byte("hello")); err != nil {
					t.Fatal(err)
				}
				_ = p.SetReadDeadline(time.Now().Add(time.Minute))
				_, err := p.Read(make([]byte, 1))
				if took := time.Since(start); test.after > 0 && (!errors.Is(err, ErrLost) || took != test.after) {
					t.Errorf("got %v after %v, want %v after %v", err, took, ErrLost, test.after)
				}
				if test.after == 0 && errors.Is(err, ErrLost) {
					t.Errorf("got %v after %v", err, time.Since(start))
				}
				if test.state(0) == (state{}) && looks > 1 {
					t.Errorf("looked %d times without need", looks)
				}
			})
		})
	}
}

// TestStateOf has the kernel say of real connections what they are.
func TestStateOf(t *testing.T) {
	deaf := func(conn *net.TCPConn) error { // as if no packet arrived
		raw, err := conn.SyscallConn()
		if err != nil {
			return err
		}
		nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
		var failed error
		err = raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing})
		})
		return errors.Join(err, failed)
	}
	for _, test := range []struct {
		name  string
		peer  func(*net.TCPConn) error
		bytes int
		want  func(state) bool
	}{
		{"it reads", func(c *net.TCPConn) error { go io.Copy(io.Discard, c); return nil }, 100, func(s state) bool { return !s.pending }},
		{"nothing arrives", deaf, 100, func(s state) bool { return s.pending && s.repeated >= repeats && s.silent >= time.Second }},
		// It is asked whether it has room again, at growing intervals, and answers each time.
		{"it does not read", func(*net.TCPConn) error { return nil }, 16 << 20, func(s state) bool {
			if s.repeated > 1 {
				t.Errorf("a host that is slow to read, %+v, looks like one that is gone", s)
			}
			return s.pending && s.silent >= time.Second
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			there, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer there.Close()
			if err := test.peer(there.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			go conn.Write(make([]byte, test.bytes))
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				s, err := stateOf(conn.(*net.TCPConn))
				if err != nil {
					t.Fatal(err)
				}
				if test.want(s) {
					return
				}
			}
		})
	}
}
