package command

import (
	"errors"
	"flag"
	"io"
	"strings"

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
			return nil, nil, flagError(fs, err.Error())
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

// flagError says what package flag says, in our words: it has no errors but their text,
// and shows flags with one dash.
func flagError(fs *flag.FlagSet, text string) error {
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		err := Usagef("unknown flag --%s", name)
		var names []string
		fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
		if meant := Suggest(name, names); meant != "" {
			err = WithHint(err, "did you mean --%s?", meant)
		}
		return err
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return Usagef("missing value of --%s", name)
	}
	for _, invalid := range []string{"invalid value ", "invalid boolean value "} {
		rest, ok := strings.CutPrefix(text, invalid)
		value, rest, found := strings.Cut(strings.Replace(rest, " for flag -", " for -", 1), " for -")
		if name, why, is := strings.Cut(rest, ": "); ok && found && is {
			return Usagef("invalid value %s of --%s: %s", value, name, why)
		}
	}
	return Usagef("%s", text)
}

func (c *Command) flags(env *Env) (*flag.FlagSet, Run) {
	fs := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	path := env.Getenv("CHATMAIL_CONFIG")
	if path == "" {
		path = config.DefaultPath
	}
	fs.StringVar(&env.ConfigPath, "config", path, "read the configuration from `FILE`")
	fs.BoolVar(&env.Debug, "debug", false, "log more; the log may then hold addresses")
	return fs, c.Bind(fs)
}
