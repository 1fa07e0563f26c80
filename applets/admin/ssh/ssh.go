// Package ssh runs commands on another machine as its administrator, by the operator's own
// ssh(1): keys, agents, jump hosts and known hosts work as they are used to.
package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	// connectTimeout has to be long enough for typing a password.
	connectTimeout = 2 * time.Minute
	connectPoll    = 100 * time.Millisecond

	// maxSaid bounds what is kept of another machine's messages, in bytes.
	maxSaid = 8 << 10
)

// Connection is a connection to another machine, on which several commands can run at the
// same time: ssh(1) with a master that the others share, so that who we are is asked once.
type Connection struct {
	to      string
	dir     string // of the control socket
	master  *exec.Cmd
	cancel  context.CancelFunc
	ended   chan struct{}
	options []string
}

// Connect connects. ssh itself asks for what it wants to know.
func Connect(ctx context.Context, to string, stderr io.Writer) (s *Connection, err error) {
	s = &Connection{to: to, ended: make(chan struct{})}
	if s.dir, err = os.MkdirTemp("", "chatmaild-ssh-"); err != nil {
		return nil, err
	}
	// 15 s × 4: a connection that a router has forgotten is noticed within a minute. -T, since
	// there is no terminal for those commands.
	s.options = []string{
		"-o", "ControlPath=" + filepath.Join(s.dir, "master"), "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4", "-T",
	}
	// A ^C at the terminal is for us to act on, not for what we run.
	var running context.Context
	running, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.master = exec.CommandContext(running, "ssh", append(append([]string{"-M", "-N"}, s.options...), to)...)
	s.master.Stdin, s.master.Stdout, s.master.Stderr = nil, stderr, stderr
	if err := s.master.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting ssh: %w", err), os.RemoveAll(s.dir))
	}
	go func() {
		defer close(s.ended)
		_ = s.master.Wait() // that it ended is what counts
	}()
	if err := s.await(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("connecting to %s: %w", to, err)
	}
	return s, nil
}

// await waits until the master accepts commands, for as long as typing a password takes.
func (s *Connection) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for {
		check := exec.CommandContext(ctx, "ssh", append(append([]string{"-O", "check"}, s.options...), s.to)...)
		if check.Run() == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ended:
			return errors.New("ssh ended")
		case <-time.After(connectPoll):
		}
	}
}

// Close ends the master, and with it every command that still runs.
func (s *Connection) Close() {
	s.cancel()
	<-s.ended
	os.RemoveAll(s.dir)
}

// Remote is a command that runs on the other machine.
type Remote struct {
	Stdin  io.WriteCloser // unless it was given one
	Stdout io.ReadCloser
	cmd    *exec.Cmd
	said   *said
	once   sync.Once
	err    error
}

// Start starts a command; its words go through the other side's shell.
func (s *Connection) Start(ctx context.Context, stdin io.Reader, words ...string) (r *Remote, err error) {
	r = &Remote{said: &said{}}
	// The capacity is cut so that append copies: two commands may start at the same time.
	r.cmd = exec.CommandContext(ctx, "ssh", append(append(s.options[:len(s.options):len(s.options)], s.to, "--"), words...)...)
	r.cmd.Stderr = r.said
	if r.cmd.Stdin = stdin; stdin == nil {
		if r.Stdin, err = r.cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	if r.Stdout, err = r.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting ssh: %w", err)
	}
	return r, nil
}

// Wait waits for the end. Output that nobody has read is dropped.
func (r *Remote) Wait() error {
	r.once.Do(func() {
		_, _ = io.Copy(io.Discard, r.Stdout)
		if err := r.cmd.Wait(); err != nil {
			r.err = fmt.Errorf("on the other side: %w: %s", err, r.said)
		}
	})
	return r.err
}

// Fail is Wait after something else went wrong, which is then the error if the command
// itself has none.
func (r *Remote) Fail(err error) error {
	if r.Stdin != nil {
		r.Stdin.Close()
	}
	if theirs := r.Wait(); theirs != nil {
		return theirs
	}
	return err
}

// Failed is what the command said, if it has failed already.
func (r *Remote) Failed() error {
	r.Stop()
	if text := r.said.String(); text != "" {
		return errors.New(text)
	}
	return nil
}

// Stop ends the command.
func (r *Remote) Stop() {
	r.once.Do(func() {
		_ = r.cmd.Process.Kill()
		r.err = r.cmd.Wait()
	})
}

// Run runs a command to its end. Without out its output is dropped.
func (s *Connection) Run(ctx context.Context, stdin io.Reader, out io.Writer, words ...string) error {
	r, err := s.Start(ctx, stdin, words...)
	if err != nil {
		return err
	}
	if out != nil {
		if _, err := io.Copy(out, r.Stdout); err != nil {
			return r.Fail(err)
		}
	}
	return r.Wait()
}

// Show runs a command and shows what it says as it comes.
func (s *Connection) Show(ctx context.Context, w io.Writer, words ...string) error {
	r, err := s.Start(ctx, strings.NewReader(""), append(words, "2>&1")...)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r.Stdout); err != nil {
		return r.Fail(err)
	}
	return r.Wait()
}

// said keeps the end of what a command says.
type said struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write drops the beginning: what went wrong stands at the end.
func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Write(p)
	s.buf.Next(max(s.buf.Len()-maxSaid, 0))
	return len(p), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimSpace(s.buf.String())
}
