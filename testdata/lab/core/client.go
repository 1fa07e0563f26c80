package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/program"
)

// clientScript becomes the core, in its namespaces. Arguments: resolv.conf,
// network namespace, program.
const clientScript = `set -e
mount --bind "$1" /etc/resolv.conf
exec nsenter --net="$2" -- "$3"`

// clientDirectoryScript is the same where no namespace can be made: the core, which needs
// no library, has a directory for its root, and so a resolv.conf. Arguments: directory,
// program.
const clientDirectoryScript = `set -e
mkdir -p "$1/tmp"
cp "$2" "$1/core"
exec chroot "$1" /core`

// inside is the path of a file in the client's directory as the core sees it.
func (c *Client) inside(name string) string {
	if c.Netns == "" {
		return "/" + name
	}
	return filepath.Join(c.Dir, name)
}

// Share makes a file that the core can send, and returns its path.
func (c *Client) Share(name string, content []byte) (path string, err error) {
	return c.inside(name), os.WriteFile(filepath.Join(c.Dir, name), content, 0o644)
}

// quitTimeout is how long a core may take to end after its input did.
const quitTimeout = 10 * time.Second

// A Client is a running Delta Chat core in a network namespace of its own. It
// can hold any number of profiles.
type Client struct {
	network.Station
	Name string

	Dir string // its accounts, and what it logs

	rpc   *rpc
	stdin io.Closer
	cmd   *exec.Cmd
	ended <-chan struct{}

	mu   sync.Mutex
	logs map[uint32]*History
}

// Start starts a core, a program that [Program] returned, on a station of its own. Its accounts
// lie in dir. A client that is not nil has to be closed in any case.
func Start(ctx context.Context, s network.Station, name, dir, executable string) (*Client, error) {
	c := &Client{Station: s, Name: name, Dir: dir, logs: map[uint32]*History{}}
	if err := c.start(executable); err != nil {
		return nil, fmt.Errorf("starting client %s: %w", name, err)
	}
	// The first answer shows that the core runs.
	if err := c.Call(ctx, nil, "get_system_info"); err != nil {
		return c, fmt.Errorf("starting client %s: %w: %s", name, err, c.stderr())
	}
	return c, nil
}

func (c *Client) start(executable string) error {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return err
	}
	v4, _ := c.Resolver()
	resolv := filepath.Join(c.Dir, "etc/resolv.conf")
	if err := os.MkdirAll(filepath.Dir(resolv), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(resolv, fmt.Appendf(nil, "nameserver %v\n", v4), 0o644); err != nil {
		return err
	}
	stderr, err := os.Create(filepath.Join(c.Dir, "stderr.log"))
	if err != nil {
		return err
	}
	defer stderr.Close()
	cmd := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", clientScript, "client",
		resolv, c.Path(), executable)
	if c.Netns == "" {
		cmd = exec.Command("sh", "-c", clientDirectoryScript, "client", c.Dir, executable)
	}
	cmd.Env = append(os.Environ(), "DC_ACCOUNTS_PATH="+c.inside("accounts"), "RUST_LOG=warn")
	cmd.Stderr = stderr
	// Pipes of our own: those of exec.Cmd are closed by Wait, before all of
	// the output is read.
	inRead, inWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer inRead.Close()
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		return errors.Join(err, inWrite.Close())
	}
	defer outWrite.Close()
	cmd.Stdin, cmd.Stdout = inRead, outWrite
	ended, err := program.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return errors.Join(err, inWrite.Close(), outRead.Close())
	}
	c.cmd, c.ended, c.stdin, c.rpc = cmd, ended, inWrite, newRPC(inWrite)
	go func() {
		defer outRead.Close()
		c.rpc.read(outRead)
	}()
	go c.pump()
	return nil
}

// Call calls a method of the core. The machine's file system is the core's too.
func (c *Client) Call(ctx context.Context, result any, method string, params ...any) error {
	if err := c.rpc.call(ctx, result, method, params...); err != nil {
		return fmt.Errorf("client %s: %w", c.Name, err)
	}
	return nil
}

// An incoming is an event as the core tells it.
type incoming struct {
	ContextID uint32 `json:"contextId"`
	Event     Event  `json:"event"`
}

// pump files the core's events until it ends. An old version knows of no
// batches.
func (c *Client) pump() {
	for {
		var batch []incoming
		if err := c.rpc.call(context.Background(), &batch, "get_next_event_batch"); err != nil {
			break
		}
		for _, e := range batch {
			c.file(e)
		}
	}
	for {
		var e incoming
		if err := c.rpc.call(context.Background(), &e, "get_next_event"); err != nil {
			return
		}
		c.file(e)
	}
}

func (c *Client) file(e incoming) {
	if e.Event.Kind == "Info" {
		return
	}
	e.Event.At = time.Now()
	c.history(e.ContextID).add(e.Event)
}

func (c *Client) history(account uint32) *History {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.logs[account] == nil {
		c.logs[account] = newHistory()
	}
	return c.logs[account]
}

// Close ends the core.
func (c *Client) Close() error {
	err := c.stdin.Close() // at the end of its input the core ends automatically
	select {
	case <-c.ended:
	case <-time.After(quitTimeout):
		c.cmd.Process.Kill()
		<-c.ended
	}
	return err
}

func (c *Client) stderr() string {
	text, err := os.ReadFile(filepath.Join(c.Dir, "stderr.log"))
	if err != nil {
		return err.Error()
	}
	return program.Tail(string(text), 20)
}
