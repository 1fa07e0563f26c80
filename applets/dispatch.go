package applets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"chatmaild/applets/command"
)

// version is set by the linker from the package's changelog.
var version = "dev"

// OSEnv is the environment of a real process.
func OSEnv() *command.Env {
	return &command.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Version: version,
	}
}

// Main runs the command that args names and returns the exit status. SIGTERM
// and SIGINT ask it to finish; a second one kills.
func Main(args []string, env *command.Env) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)
	return dispatch(ctx, args, env)
}

func dispatch(ctx context.Context, args []string, env *command.Env) int {
	name, rest := "", []string(nil)
	if len(args) > 0 {
		name, rest = filepath.Base(args[0]), args[1:]
	}
	cmd := find(name)
	if cmd == nil {
		if len(rest) == 0 {
			usage(env.Stderr)
			return command.StatusUsage
		}
		name, rest = rest[0], rest[1:]
		switch name {
		case "help", "-h", "-help", "--help":
			return report(env, "help", help(env, rest))
		case "version", "-version", "--version":
			fmt.Fprintf(env.Stdout, "chatmaild %s\n", env.Version)
			return command.StatusDone
		}
		if cmd = find(name); cmd == nil {
			return report(env, "", unknown(name))
		}
	}
	return report(env, name, run(ctx, cmd, env, rest))
}

// run parses the flags and runs cmd. A panic is a fault of ours: it ends the
// command as failed, with its trace in the log, never as a bare crash.
func run(ctx context.Context, cmd *command.Command, env *command.Env, args []string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal fault: %v\n%s", p, debug.Stack())
		}
	}()
	do, positional, err := cmd.Parse(env, args)
	if errors.Is(err, command.ErrHelp) {
		cmd.Usage(env.Stdout)
		return nil
	}
	if err != nil {
		return err
	}
	if len(positional) > 0 && cmd.Args == "" {
		return command.Usagef("takes no arguments, got %q", positional[0])
	}
	return do(ctx, env, positional)
}

// report tells the operator what went wrong, with the hint if there is one.
func report(env *command.Env, name string, err error) int {
	status := command.Status(err)
	if status == command.StatusDone || errors.Is(err, command.ErrFound) {
		return status
	}
	prefix := "chatmaild"
	if name != "" {
		prefix += " " + name
	}
	fmt.Fprintf(env.Stderr, "%s: %v\n", prefix, err)
	var hint *command.HintError
	var usage *command.UsageError
	switch {
	case errors.As(err, &hint):
		fmt.Fprintf(env.Stderr, "  hint: %s\n", hint.Hint)
	case errors.As(err, &usage) && name != "":
		fmt.Fprintf(env.Stderr, "  hint: chatmaild help %s\n", name)
	}
	return status
}

func find(name string) *command.Command {
	for _, c := range All() {
		if c.Name == name {
			return &c
		}
	}
	return nil
}

func unknown(name string) error {
	if strings.HasPrefix(name, "-") {
		return command.WithHint(command.Usagef("unknown flag %s in front of a command", name),
			"flags stand behind the command: chatmaild status --config FILE")
	}
	var names []string
	for _, c := range All() {
		names = append(names, c.Name)
	}
	return command.WithHint(command.Usagef("unknown command %q", name), "one of %s", strings.Join(names, ", "))
}

func help(env *command.Env, args []string) error {
	if len(args) == 0 {
		usage(env.Stdout)
		return nil
	}
	cmd := find(args[0])
	if cmd == nil {
		return unknown(args[0])
	}
	cmd.Usage(env.Stdout)
	return nil
}

func usage(w io.Writer) {
	fmt.Fprint(w, "usage: chatmaild COMMAND [flags] [arguments]\n       chatmaild help [COMMAND]\n       chatmaild --version\n")
	titles := map[command.Kind]string{
		command.Admin:   "admin commands",
		command.Daemon:  "daemons, started by systemd",
		command.Oneshot: "jobs, started by a timer or by Dovecot",
	}
	for _, kind := range []command.Kind{command.Admin, command.Daemon, command.Oneshot} {
		fmt.Fprintf(w, "\n%s:\n", titles[kind])
		for _, c := range All() {
			if c.Kind == kind {
				fmt.Fprintf(w, "  %-14s %s\n", c.Name, c.Synopsis)
			}
		}
	}
	fmt.Fprint(w, "\nEvery command takes --config FILE; its other flags: chatmaild help COMMAND.\n")
}
