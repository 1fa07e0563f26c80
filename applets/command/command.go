// Package command says what one name of the multi-call binary is: a daemon, a
// oneshot or an admin command, with its flags, its surroundings and its errors.
// Package applets dispatches on it; applets/admin and applets provide the values.
package command

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"

	"chatmaild/applets/config"
	"chatmaild/applets/service"
)

// Kind says who starts a command.
type Kind int

// The kinds, in the order in which help lists them.
const (
	Daemon  Kind = iota // systemd, for as long as the relay runs
	Oneshot             // a timer, or another program
	Admin               // a person, over SSH
)

// Run does a command's work with its positional arguments. It returns when the
// work is done, or, once ctx is done, when all that was accepted has been
// finished. The error decides the exit status; see Status.
type Run func(ctx context.Context, env *Env, args []string) error

// Command is one name that chatmaild answers to.
type Command struct {
	Name     string
	Kind     Kind
	Args     string // positional arguments as the usage line shows them
	Synopsis string // one line that begins with a verb, without a full stop

	// Description is what help and chatmaild(8) say beside the synopsis: paragraphs
	// with an empty line between them, no line longer than 79 columns. It may be empty.
	Description string
	Examples    Examples

	// Bind declares the command's own flags and returns what to run once
	// they are parsed. Help calls it too, and runs nothing.
	Bind func(*flag.FlagSet) Run
}

// Examples are command lines that help and chatmaild(8) show: each without "chatmaild",
// and what it is for.
type Examples [][2]string

// Env is what surrounds a command: everything that it would otherwise take from
// package os. Tests fill it with buffers.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer // results
	Stderr io.Writer // everything else
	Getenv func(string) string

	Version    string
	ConfigPath string // from --config, $CHATMAIL_CONFIG, or the default
	Debug      bool   // from --debug: the log may then hold addresses
}

// Config loads and checks the configuration file.
func (e *Env) Config() (*config.Config, error) {
	return config.Load(e.ConfigPath)
}

// Configured is the Run of a command that takes no arguments and needs the configuration.
func Configured(run func(context.Context, *Env, *config.Config) error) Run {
	return func(ctx context.Context, env *Env, _ []string) error {
		conf, err := env.Config()
		if err != nil {
			return err
		}
		return run(ctx, env, conf)
	}
}

// Log returns the operator's log. Under journald lines carry no time of their
// own, and their priority is marked as sd-daemon(3) has it.
func (e *Env) Log() *slog.Logger {
	level := slog.LevelInfo
	if e.Debug {
		level = slog.LevelDebug
	}
	return service.NewLogger(e.Stderr, level, e.Getenv("JOURNAL_STREAM") != "")
}

// IsTerminal reports whether w is a terminal: only there do colour and progress
// make sense.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
