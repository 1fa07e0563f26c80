// Package initialize is the command init: it writes a new configuration file. (Go has
// its own use for the name.) It shows every key with its default, commented out, so that
// the file is also its documentation.
//
// It asks no questions. What the DNS and this machine's interfaces show without a doubt is
// set in the file, and printed: an operator whom it does not suit deletes the line.
package initialize

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chatmaild/applets/admin/qr"
	"chatmaild/applets/admin/remote"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/lookup/authoritative"
	"chatmaild/packaging"
)

// Command is chatmaild init.
var Command = command.Command{
	Name: "init", Kind: command.Admin, Args: "DOMAIN",
	Synopsis: "writes a new configuration file",
	Description: `An existing file is never changed.

Where the domain's DNS records and this machine's addresses show that a key has to be
set, it is, and printed with the reason: hostname, where the MX record names this
machine and the domain itself is another one; turn_external_address, behind a router;
disable_ipv6, where the kernel has none. Without an answer from the DNS within five
seconds, what only it shows is left out.`,
	Examples: command.Examples{
		{"init chat.example.org", "a relay with a domain"},
		{"init 192.0.2.7", "a relay at an IP address"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		resolver := remote.ResolverFlag(fs)
		return func(ctx context.Context, env *command.Env, args []string) error {
			if len(args) != 1 {
				return command.Usagef("missing DOMAIN, the relay's domain or its IP address")
			}
			system, port, err := resolver()
			if err != nil {
				return err
			}
			return initConfig(ctx, env, args[0], here((&authoritative.Resolver{System: system, Port: port}).Values))
		}
	},
}

// initConfig writes the commented configuration for domain at a place. It never touches one
// that is there. The QR code of a relay that makes its own certificate holds
// credentials that only a running relay gives out: run shows that one.
func initConfig(ctx context.Context, env *command.Env, domain string, p place) error {
	domain = config.Domain(domain)
	if err := config.CheckDomain(domain); err != nil {
		return command.Usagef("%v", err)
	}
	text := strings.ReplaceAll(packaging.Config, "DOMAIN", domain)
	// What is written must be accepted by run: a bad domain is better refused here.
	conf, err := config.Parse(env.ConfigPath, text)
	if err != nil {
		return err
	}
	found := p.findings(ctx, conf)
	text = set(text, found)
	if conf, err = config.Parse(env.ConfigPath, text); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(env.ConfigPath), 0o755); err != nil {
		return fmt.Errorf("creating the configuration's directory: %w", err)
	}
	// O_EXCL: to look first would overwrite what is created in between.
	f, err := os.OpenFile(env.ConfigPath, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return command.WithHint(
			fmt.Errorf("there is a configuration already: %s", env.ConfigPath),
			"edit it and try \"chatmaild run\", or move it away to start again")
	}
	if err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	// The daemons read it as users of their own, whatever the umask of the operator is. Half
	// a configuration must not stay: init would refuse to write another one.
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("writing the configuration: %w", err), os.Remove(env.ConfigPath))
	}
	fmt.Fprintf(env.Stdout, "wrote %s\n", env.ConfigPath)
	for _, f := range found {
		fmt.Fprintf(env.Stderr, "set %s = %s: %s\n", f.key, f.value, f.why)
	}
	fmt.Fprintf(env.Stderr, "Check it, then make this machine a relay with: chatmaild run\n")
	if conf.SelfSigned() && conf.ACME() {
		fmt.Fprintf(env.Stderr, "%s needs no DNS records. An authority signs its certificate if it reaches port 80; until then the relay has one of its own.\n", domain)
		return nil
	}
	if conf.SelfSigned() {
		fmt.Fprintf(env.Stderr, "%s has a self-signed certificate and needs no DNS records.\n", domain)
		return nil
	}
	fmt.Fprintf(env.Stderr, "After that, this link creates a profile:\n\n")
	return qr.Show(ctx, env, conf, "")
}
