package move

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

// ssh is a connection to another machine, on which several commands can run at the same
// time: ssh(1) with a master that the others share, so that who we are is asked once.
type ssh struct {
	to      string
	dir     string // of the control socket
	master  *exec.Cmd
	cancel  context.CancelFunc
	ended   chan struct{}
	options []string
}

// connect connects. ssh itself asks for what it wants to know.
func connect(ctx context.Context, to string, stderr io.Writer) (s *ssh, err error) {
	s = &ssh{to: to, ended: make(chan struct{})}
	if s.dir, err = os.MkdirTemp("", "chatmaild-move-"); err != nil {
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
		s.close()
		return nil, fmt.Errorf("connecting to %s: %w", to, err)
	}
	return s, nil
}

// await waits until the master accepts commands, for as long as typing a password takes.
func (s *ssh) await(ctx context.Context) error {
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

// close ends the master, and with it every command that still runs.
func (s *ssh) close() {
	s.cancel()
	<-s.ended
	os.RemoveAll(s.dir)
}

// remote is a command that runs on the other machine.
type remote struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser // unless it was given one
	stdout io.ReadCloser
	said   *said
	once   sync.Once
	err    error
}

// start starts a command; its words go through the other side's shell.
func (s *ssh) start(ctx context.Context, stdin io.Reader, words ...string) (r *remote, err error) {
	r = &remote{said: &said{}}
	// The capacity is cut so that append copies: two commands may start at the same time.
	r.cmd = exec.CommandContext(ctx, "ssh", append(append(s.options[:len(s.options):len(s.options)], s.to, "--"), words...)...)
	r.cmd.Stderr = r.said
	if r.cmd.Stdin = stdin; stdin == nil {
		if r.stdin, err = r.cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	if r.stdout, err = r.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting ssh: %w", err)
	}
	return r, nil
}

// wait waits for the end. Output that nobody has read is dropped.
func (r *remote) wait() error {
	r.once.Do(func() {
		_, _ = io.Copy(io.Discard, r.stdout)
		if err := r.cmd.Wait(); err != nil {
			r.err = fmt.Errorf("on the other side: %w: %s", err, r.said)
		}
	})
	return r.err
}

// fail is wait after something else went wrong, which is then the error if the command
// itself has none.
func (r *remote) fail(err error) error {
	if r.stdin != nil {
		r.stdin.Close()
	}
	if theirs := r.wait(); theirs != nil {
		return theirs
	}
	return err
}

// failed is what the command said, if it has failed already.
func (r *remote) failed() error {
	r.stop()
	if text := r.said.String(); text != "" {
		return errors.New(text)
	}
	return nil
}

// stop ends the command.
func (r *remote) stop() {
	r.once.Do(func() {
		_ = r.cmd.Process.Kill()
		r.err = r.cmd.Wait()
	})
}

// run runs a command to its end. Without out its output is dropped.
func (s *ssh) run(ctx context.Context, stdin io.Reader, out io.Writer, words ...string) error {
	r, err := s.start(ctx, stdin, words...)
	if err != nil {
		return err
	}
	if out != nil {
		if _, err := io.Copy(out, r.stdout); err != nil {
			return r.fail(err)
		}
	}
	return r.wait()
}

// show runs a command and shows what it says as it comes.
func (s *ssh) show(ctx context.Context, w io.Writer, words ...string) error {
	r, err := s.start(ctx, strings.NewReader(""), append(words, "2>&1")...)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r.stdout); err != nil {
		return r.fail(err)
	}
	return r.wait()
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
