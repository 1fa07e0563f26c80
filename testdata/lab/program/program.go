// Package program runs programs on this machine for the lab: to their end with what they
// said, or for as long as the lab lives.
package program

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

// MaxOutput bounds what is kept of one command's standard output or error, in bytes.
const MaxOutput = 16 << 20

// killDelay is how long a command may take to end after its context did.
const killDelay = 5 * time.Second

// A Result is how a command ended.
type Result struct {
	Stdout, Stderr string
	Code           int // exit status; -1 if a signal ended it
}

// Execute runs a command to its end. An exit status other than 0 is not an
// error here; a command that could not run, or was cut off by ctx, is one.
func Execute(ctx context.Context, stdin io.Reader, name string, args ...string) (Result, error) {
	var stdout, stderr Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	cmd.WaitDelay = killDelay
	err := cmd.Run()
	res := Result{Stdout: stdout.String(), Stderr: stderr.String()}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		res.Code = exit.ExitCode()
		return res, nil
	}
	if err == nil {
		return res, nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return res, fmt.Errorf("running %s: %w%s", Line(name, args), err, res.Detail())
}

// Run is Execute for commands that have to succeed; it returns what they
// wrote to standard output.
func Run(ctx context.Context, name string, args ...string) (string, error) {
	res, err := Execute(ctx, nil, name, args...)
	if err == nil {
		err = res.Failure(name, args)
	}
	return res.Stdout, err
}

// Failure is nil for exit status 0, and tells what the command said otherwise.
func (r Result) Failure(name string, args []string) error {
	if r.Code == 0 {
		return nil
	}
	return fmt.Errorf("running %s: exit status %d%s", Line(name, args), r.Code, r.Detail())
}

// Detail is the end of what a command said, for error texts: ": " and up to 40 lines, or
// nothing.
func (r Result) Detail() string {
	text := strings.TrimSpace(r.Stderr)
	if text == "" {
		text = strings.TrimSpace(r.Stdout)
	}
	if text == "" {
		return ""
	}
	return ": " + Tail(text, 40)
}

// Line is for error texts: long scripts are cut.
func Line(name string, args []string) string {
	const limit = 120
	line := strings.Join(append([]string{name}, args...), " ")
	if len(line) > limit {
		line = line[:limit] + "…"
	}
	return line
}

// Tail is the last n lines of text.
func Tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// A Buffer keeps the first MaxOutput bytes and drops the rest.
type Buffer struct{ buf bytes.Buffer }

// Write implements io.Writer. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.buf.Write(p[:min(len(p), MaxOutput-b.buf.Len())])
	return len(p), nil
}

// String returns what was kept.
func (b *Buffer) String() string { return b.buf.String() }
