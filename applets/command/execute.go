package command

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// Execute parses args, runs c and reports an error to env.Stderr. It returns the exit
// status.
func (c *Command) Execute(ctx context.Context, env *Env, args []string) (status int) {
	return Report(env, c.Name, c.execute(ctx, env, args))
}

// execute parses the flags and runs c. A panic is a fault of ours: it ends the
// command as failed, with its trace in the log, never as a bare crash.
func (c *Command) execute(ctx context.Context, env *Env, args []string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal fault: %v\n%s", p, debug.Stack())
		}
	}()
	run, positional, err := c.Parse(env, args)
	if errors.Is(err, ErrHelp) {
		c.Usage(env.Stdout)
		return nil
	}
	if err != nil {
		return err
	}
	if len(positional) > 0 && c.Args == "" {
		return Usagef("unexpected argument %q", positional[0])
	}
	return run(ctx, env, positional)
}

// Report tells the operator what went wrong with the command of that name, with the
// hint if there is one, and returns the exit status.
func Report(env *Env, name string, err error) (status int) {
	status = Status(err)
	if status == StatusDone || errors.Is(err, ErrFound) {
		return status
	}
	prefix := "chatmaild"
	if name != "" {
		prefix += " " + name
	}
	fmt.Fprintf(env.Stderr, "%s: %v\n", prefix, err)
	var hint *HintError
	var usage *UsageError
	switch {
	case errors.As(err, &hint):
		fmt.Fprintf(env.Stderr, "  hint: %s\n", Hint(hint.Hint))
	case errors.As(err, &usage) && name != "":
		fmt.Fprintf(env.Stderr, "  hint: chatmaild help %s\n", name)
	}
	return status
}
