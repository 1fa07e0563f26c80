package cluster

import (
	"context"
	"fmt"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/membership"
	"chatmaild/applets/command"
	"chatmaild/store/directory/postgres"
)

// saved is the directory as a backup has it.
type saved struct{ *cluster }

// dump writes the directory, by this machine's own copy.
func (c saved) dump(ctx context.Context) error {
	if command.IsTerminal(c.env.Stdout) {
		return command.Usagef("it prints all accounts with their passwords' hashes: write it to a file")
	}
	return membership.Dump(ctx, c.env.Stdout)
}

// load adds what a dump on standard input has.
func (c saved) load(ctx context.Context) error {
	if err := c.requireWriter(ctx); err != nil {
		return err
	}
	return membership.AsPostgres(func(address func(string) string) error {
		added, err := postgres.Load(ctx, address(accounts.Database), c.env.Stdin)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.env.Stdout, "%d rows were added to the directory\n", added)
		return nil
	})
}
