package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// maxOutput bounds what is kept of one command's standard output or error.
const maxOutput = 16 << 20

// killDelay is how long a command may take to end after its context did.
const killDelay = 5 * time.Second

// A Result is how a command ended.
type Result struct {
	Stdout, Stderr string
	Code           int // exit status; -1 if a signal ended it
}

// runCommand runs a command to its end. An exit status other than 0 is not an
// error here; a command that could not run, or was cut off by ctx, is one.
func runCommand(ctx context.Context, stdin io.Reader, name string, args ...string) (Result, error) {
	var stdout, stderr limitedBuffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	cmd.WaitDelay = killDelay
	err := cmd.Run()
	res := Result{Stdout: stdout.String(), Stderr: stderr.String()}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && ctx.Err() == nil {
		res.Code = exit.ExitCode()
		return res, nil
	}
	if err == nil {
		return res, nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return res, fmt.Errorf("running %s: %w%s", commandLine(name, args), err, detail(res))
}

// run is runCommand for commands that have to succeed; it returns what they
// wrote to standard output.
func run(ctx context.Context, name string, args ...string) (string, error) {
	res, err := runCommand(ctx, nil, name, args...)
	if err == nil {
		err = res.failure(name, args)
	}
	return res.Stdout, err
}

// failure is nil for exit status 0, and tells what the command said otherwise.
func (r Result) failure(name string, args []string) error {
	if r.Code == 0 {
		return nil
	}
	return fmt.Errorf("running %s: exit status %d%s", commandLine(name, args), r.Code, detail(r))
}

func detail(r Result) string {
	text := strings.TrimSpace(r.Stderr)
	if text == "" {
		text = strings.TrimSpace(r.Stdout)
	}
	if text == "" {
		return ""
	}
	return ": " + tail(text, 40)
}

// commandLine is for error texts: long scripts are cut.
func commandLine(name string, args []string) string {
	const limit = 120
	line := strings.Join(append([]string{name}, args...), " ")
	if len(line) > limit {
		line = line[:limit] + "…"
	}
	return line
}

// tail is the last n lines of text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// A limitedBuffer keeps the first maxOutput bytes and drops the rest.
type limitedBuffer struct{ buf bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.buf.Write(p[:min(len(p), maxOutput-b.buf.Len())])
	return len(p), nil
}

func (b *limitedBuffer) String() string { return b.buf.String() }
