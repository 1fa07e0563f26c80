package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// MailQueue hands what "postqueue -j" prints to read, as it comes: a queue can be
// larger than memory. Postfix need not run.
func (h Host) MailQueue(ctx context.Context, read func(io.Reader) error) error {
	if h.Command != nil {
		out, err := h.run(ctx, "postqueue", "-j")
		return errors.Join(err, read(strings.NewReader(out)))
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "postqueue", "-j")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("asking for the mail queue: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("asking for the mail queue: %w", err)
	}
	readErr := read(out)
	if readErr != nil {
		cancel() // nobody reads on
	}
	if err := cmd.Wait(); err != nil && readErr == nil {
		return fmt.Errorf("postqueue -j: %w: %s", err, strings.TrimSpace(said.String()))
	}
	return readErr
}

// RetryMail has Postfix try to deliver one deferred message now.
func (h Host) RetryMail(ctx context.Context, id string) error {
	_, err := h.run(ctx, "postqueue", "-i", id)
	return err
}

// RetryAllMail has Postfix try to deliver all that is deferred now.
func (h Host) RetryAllMail(ctx context.Context) error {
	_, err := h.run(ctx, "postqueue", "-f")
	return err
}
