package supervise

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"chatmaild/applets/command"
	"chatmaild/applets/supervise/process"
	"chatmaild/applets/supervise/unit"
)

// helpers is what programs are started with.
type helpers struct {
	children *process.Processes
	out      *output
}

// helper runs a program to its end.
func (h helpers) helper(ctx context.Context, name string, args ...string) error {
	u := &unit.Unit{Name: name, Service: unit.Service{Umask: 0o022}}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	out, err := h.out.pipe(name)
	if err != nil {
		return err
	}
	p, err := h.children.Start(process.Arguments(u, unit.Command{Args: args}, process.Identity{Name: "root"}),
		[]string{searchPath, "LANG=C.UTF-8", "HOME=/root"}, []*os.File{null, out, out})
	out.Close()
	if err != nil {
		return err
	}
	select {
	case <-p.Ended():
	case <-ctx.Done():
		_ = p.SignalGroup(unix.SIGTERM)
		<-p.Ended()
	}
	if err := p.Err(); err != nil {
		status := command.StatusFailed
		if p.Status().ExitStatus() == command.StatusUsage {
			status = command.StatusUsage
		}
		return &command.StatusError{Err: fmt.Errorf("%s: %w", strings.Join(args, " "), err), Status: status}
	}
	return nil
}
