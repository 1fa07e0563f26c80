package applets

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
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
			return command.Report(env, "help", help(env, rest))
		case "version", "-version", "--version":
			fmt.Fprintf(env.Stdout, "chatmaild %s\n", env.Version)
			return command.StatusDone
		}
		if cmd = find(name); cmd == nil {
			return command.Report(env, "", unknown(name))
		}
	}
	return cmd.Execute(ctx, env, rest)
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
		return command.WithHint(command.Usagef("unknown flag %s before a command", name),
			"flags follow the command: chatmaild status --config FILE")
	}
	var names []string
	for _, c := range All() {
		names = append(names, c.Name)
	}
	err := command.Usagef("unknown command %q", name)
	if meant := command.Suggest(name, names); meant != "" {
		return command.WithHint(err, "did you mean %s?", meant)
	}
	return command.WithHint(err, "chatmaild help lists all commands")
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
