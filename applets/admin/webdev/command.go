package webdev

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/applets/web/signup"
	"chatmaild/packaging/www"
)

// pollEvery is how often webdev looks for changes: at once for a person, and nothing
// for a directory of a few files.
const pollEvery = 300 * time.Millisecond

// Command is chatmaild webdev.
var Command = command.Command{
	Name: "webdev", Kind: command.Admin, Args: "[DIR]",
	Synopsis: "serves the web pages from a directory, rebuilt on change",
	Examples: command.Examples{
		{"webdev --copy index.md ./www", "start with the package's page"},
		{"webdev ./www", "serve the directory"},
	},
	Bind: func(flags *flag.FlagSet) command.Run {
		listen := flags.String("listen", "127.0.0.1:8000", "serve at `ADDRESS`")
		start := flags.String("copy", "", "first copy `FILE` of the package, such as index.md, to DIR")
		return func(ctx context.Context, env *command.Env, args []string) error {
			if len(args) > 1 {
				return command.Usagef("unexpected argument %q", args[1])
			}
			return webdev(ctx, env, args, *listen, *start)
		}
	},
}

// webdev serves the pages as nginx would, and the few dynamic ones as the web daemon
// does, so that a page is tried with everything that it links to.
func webdev(ctx context.Context, env *command.Env, args []string, listen, start string) error {
	cfg, err := previewConfig(env)
	if err != nil {
		return err
	}
	dir := cfg.WWWFolder
	if len(args) == 1 {
		dir = args[0]
	}
	if start != "" {
		if err := copyShipped(env, start, dir); err != nil {
			return err
		}
	}
	var directory fs.FS
	if dir != "" {
		if _, err := os.ReadDir(dir); err != nil {
			return command.WithHint(fmt.Errorf("opening the pages' directory: %w", err),
				"start one with: chatmaild webdev --copy index.md %s", dir)
		}
		directory = os.DirFS(dir)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	// The same rendering that run does; only the script that reloads is added.
	p := New(desired.Site(cfg, env.Version), directory)
	log := env.Log()
	dynamic := signup.New(signup.Options{
		Host:       config.Host(cfg),
		SelfSigned: cfg.SelfSigned(),
		Registration: &signup.Open{
			Domain:  cfg.AddressDomain(),
			Lengths: signup.Lengths{Name: cfg.UsernameMaxLength, MinPassword: cfg.PasswordMinLength},
			Random:  rand.Reader,
		},
		Log: log,
	})
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	go p.Watch(ctx, tick.C)
	fmt.Fprintf(env.Stdout, "http://%s/\n", l.Addr())
	return service.ServeHTTP(ctx, l, p.Handler(ctx, dynamic, signup.Paths()), log)
}

// previewConfig returns the configuration, or, on a machine that is not a relay, an example.
func previewConfig(env *command.Env) (*config.Config, error) {
	if _, err := os.Stat(env.ConfigPath); errors.Is(err, fs.ErrNotExist) && env.ConfigPath == config.DefaultPath {
		return config.Parse("example", `mail_domain = "chat.example.org"`)
	}
	return env.Config()
}

// copyShipped writes our own file to dir. It never touches one that is there.
func copyShipped(env *command.Env, name, dir string) error {
	if dir == "" {
		return command.Usagef("--copy needs a directory to copy to: DIR, or www_folder in the configuration")
	}
	text, err := www.Shipped(name)
	if err != nil {
		return command.WithHint(err, "the files are %s", www.Names())
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("creating the pages' directory: %w", err)
	}
	path := filepath.Join(dir, name)
	// O_EXCL: an author's work is worth more than our example.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("copying our page: %w", err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("copying our page: %w", err)
	}
	fmt.Fprintf(env.Stderr, "wrote %s\n", path)
	return nil
}
