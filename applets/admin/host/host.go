// Package host is the machine that a relay lives on, as the admin commands see
// and change it: files, systemd units, listening ports, installed programs.
package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// commandTimeout bounds each command that is run on the machine. Stopping
// Postfix or Dovecot with many sessions is the longest.
const commandTimeout = 3 * time.Minute

// Host is a machine. The zero value is the one that we run on.
type Host struct {
	Tree
	// Command, if set, runs commands in the machine's place.
	Command func(ctx context.Context, name string, args ...string) (stdout string, err error)
}

// run runs a command and returns what it wrote to standard output. Its error
// holds what the command wrote to standard error.
func (h Host) run(ctx context.Context, name string, args ...string) (string, error) {
	if h.Command != nil {
		return h.Command(ctx, name, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	// What we parse must not depend on the operator's language or terminal.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(errs.String() + out.String())
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said)
	}
	return out.String(), nil
}

// stream runs a command and hands what it prints to read, as it comes.
func (h Host) stream(ctx context.Context, read func(io.Reader) error, name string, args ...string) error {
	if h.Command != nil {
		out, err := h.Command(ctx, name, args...)
		return errors.Join(err, read(strings.NewReader(out)))
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := read(out)
	if readErr != nil {
		cancel() // nobody reads on
	}
	if err := cmd.Wait(); err != nil && readErr == nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return readErr
}

// RequireRoot says what to do when we are not root.
func (h Host) RequireRoot() error {
	if h.Root == "" && os.Geteuid() != 0 {
		return errors.New("only root can do this: run it with sudo")
	}
	return nil
}
