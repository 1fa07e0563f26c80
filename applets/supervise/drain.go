package supervise

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"chatmaild/packaging/postfix/control"
)

// drain has Postfix accept no more mail, and waits for the deliveries in progress. The next
// Postfix accepts mail again. It is run by postfix.service, in a process of its own.
func drain(ctx context.Context) error {
	p := control.Postfix{Run: func(ctx context.Context, name string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
		}
		return string(out), err
	}}
	if _, err := p.Drain(ctx); err != nil {
		return err
	}
	return p.Reopen(ctx)
}
