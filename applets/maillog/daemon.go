package maillog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"chatmaild/applets/maillog/control"
	"chatmaild/applets/service"
)

const (
	// gather is how long lines may come together before they are read. A process that
	// wakes up once for several takes less CPU.
	gather = 5 * time.Millisecond
	// busy is how many lines at once say that more are coming without that. It is less
	// than the shortest queue that a kernel gives a socket (net.unix.max_dgram_qlen).
	busy = 8
	// maxRound bounds the lines that are read before the watchdog hears of it.
	maxRound = 1000
	// alive is how often systemd hears that the daemon lives (WatchdogSec=).
	alive = 10 * time.Second
)

// daemon passes lines on.
type daemon struct {
	out     sink
	names   names
	watched watched

	in   [control.MaxLine]byte
	made []byte // what became of the line
}

func newDaemon(journal string, log *slog.Logger) *daemon {
	return &daemon{out: sink{path: journal, log: log}, names: names{now: time.Now}}
}

// serve passes on what comes in until ctx is done. What is in the socket then is for
// the next daemon, which systemd gives the same socket.
func (d *daemon) serve(ctx context.Context, in *net.UnixConn) error {
	defer in.Close()
	stop := context.AfterFunc(ctx, func() { in.Close() })
	defer stop()
	raw, err := in.SyscallConn()
	if err != nil {
		return fmt.Errorf("reading the servers' log: %w", err)
	}
	var told time.Time
	for {
		now := time.Now()
		if now.Sub(told) >= alive/2 {
			service.Alive()
			told = now
		}
		if err := in.SetReadDeadline(now.Add(alive)); err != nil && ctx.Err() == nil {
			return fmt.Errorf("reading the servers' log: %w", err)
		}
		lines, err := d.round(raw)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("reading the servers' log: %w", err)
		case lines < busy:
			time.Sleep(gather)
		}
	}
}

// round waits for a line, and passes on all that are there.
func (d *daemon) round(in syscall.RawConn) (lines int, err error) {
	var failure error
	err = in.Read(func(fd uintptr) bool {
		for lines < maxRound {
			n, err := syscall.Read(int(fd), d.in[:])
			switch {
			case errors.Is(err, syscall.EINTR):
				continue
			case errors.Is(err, syscall.EAGAIN):
				return lines > 0
			case err != nil:
				failure = err
				return true
			}
			d.line(d.in[:n])
			lines++
		}
		return true
	})
	return lines, errors.Join(failure, err)
}

// line passes a datagram of syslog's on (RFC 3164): a priority, a time, a program, and
// the text.
func (d *daemon) line(datagram []byte) {
	priority, text := split(bytes.TrimRight(datagram, "\n\x00"))
	d.watched.line(text)
	d.made = d.names.append(append(d.made[:0], priority...), string(text))
	d.out.write(d.made)
}

// split cuts a datagram after its priority, "<22>". One without has none.
func split(datagram []byte) (priority, text []byte) {
	end := bytes.IndexByte(datagram[:min(len(datagram), len("<191>"))], '>')
	if end < 2 || datagram[0] != '<' || bytes.Trim(datagram[1:end], "0123456789") != nil {
		return nil, datagram
	}
	return datagram[:end+1], datagram[end+1:]
}
