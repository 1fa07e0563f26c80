package command

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"chatmaild/applets/config"
)

// ErrHelp is returned by Parse when the arguments ask for help.
var ErrHelp = flag.ErrHelp

// Parse parses args for c: the flags every command has, which go to env, and
// c's own, before, between or after the positional arguments; "--" ends them.
// It returns what to run with the positional arguments, or a *UsageError.
func (c *Command) Parse(env *Env, args []string) (Run, []string, error) {
	fs, run := c.flags(env)
	var positional []string
	for {
		rest := args
		if err := fs.Parse(rest); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, nil, ErrHelp
			}
			return nil, nil, Usagef("%v", err)
		}
		args = fs.Args()
		if len(args) == 0 {
			return run, positional, nil
		}
		if parsed := len(rest) - len(args); parsed > 0 && rest[parsed-1] == "--" {
			return run, append(positional, args...), nil
		}
		positional = append(positional, args[0])
		args = args[1:]
	}
}

// Usage prints c's usage line and its flags.
func (c *Command) Usage(w io.Writer) {
	args := ""
	if c.Args != "" {
		args = " " + c.Args
	}
	fmt.Fprintf(w, "usage: chatmaild %s [flags]%s\n\n%s.\n\nflags:\n", c.Name, args, c.Synopsis)
	fs, _ := c.flags(&Env{Getenv: func(string) string { return "" }})
	fs.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if value != "" {
			value = " " + value
		}
		if f.DefValue != "" && f.DefValue != "false" {
			usage += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		fmt.Fprintf(w, "  --%-22s %s\n", f.Name+value, usage)
	})
}

func (c *Command) flags(env *Env) (*flag.FlagSet, Run) {
	fs := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	path := env.Getenv("CHATMAIL_CONFIG")
	if path == "" {
		path = config.DefaultPath
	}
	fs.StringVar(&env.ConfigPath, "config", path, "configuration `file`")
	fs.BoolVar(&env.Debug, "debug", false, "log more; the log may then hold addresses")
	return fs, c.Bind(fs)
}
