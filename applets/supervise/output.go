package supervise

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// maxLine bounds a line of the log, in bytes; what is beyond is a line of its own.
const maxLine = 8 << 10

// metricsLog is the socket of packaging/supervise/chatmaild-metrics-log.socket.
const metricsLog = "/run/chatmaild/metrics-log"

// output is the log of all: lines, each of one unit.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

// Write writes lines as they are: those of the supervisor itself.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

func (o *output) line(name string, text []byte) {
	name = strings.TrimPrefix(strings.TrimSuffix(name, ".service"), "chatmaild-")
	// Nobody is left to tell that the log is gone.
	_, _ = o.Write(fmt.Appendf(nil, "%s: %s\n", name, text))
}

// pipe returns where a unit's program writes. What it writes is logged until it, and all
// that it has started, have closed that.
func (o *output) pipe(name string) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for the log: %w", err)
	}
	go func() {
		defer r.Close()
		for lines := bufio.NewReaderSize(r, maxLine); ; {
			text, err := lines.ReadSlice('\n')
			if len(text) > 0 {
				o.line(name, bytes.TrimRight(text, "\n"))
			}
			if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return
			}
		}
	}()
	return w, nil
}

// journal takes the place of journald's socket for syslog(3), where the maillog daemon
// passes on what the servers log, with pseudonyms. It ends with ctx.
func (o *output) journal(ctx context.Context, path string) error {
	dir := filepath.Dir(path)
	if err := errors.Join(public(filepath.Dir(dir)), public(dir)); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a socket of before: %w", err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("listening in the journal's place: %w", err)
	}
	// As journald's: anybody may log.
	if err := os.Chmod(path, 0o666); err != nil {
		conn.Close()
		return err
	}
	context.AfterFunc(ctx, func() { conn.Close() })
	go func() {
		buf := make([]byte, maxLine)
		metrics := passOn{path: metricsLog}
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			metrics.line(buf[:n])
			o.line("log", afterPriority(bytes.TrimRight(buf[:n], "\n\x00")))
		}
	}()
	return nil
}

// afterPriority is a line of syslog's (RFC 3164) without its priority, "<22>".
func afterPriority(line []byte) []byte {
	if rest, ok := bytes.CutPrefix(line, []byte("<")); ok {
		if digits, text, ok := bytes.Cut(rest, []byte(">")); ok && len(digits) <= 3 && len(bytes.Trim(digits, "0123456789")) == 0 {
			return text
		}
	}
	return line
}
