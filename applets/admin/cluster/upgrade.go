package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/packaging/program"
)

// mainCluster is what Debian calls the data of a server, of which there may be several.
const mainCluster = "main"

// upgrade takes the directory from the PostgreSQL of the former Debian to this one's: the
// writer's is converted, with all accounts, and the copies begin anew.
func (c *cluster) upgrade(ctx context.Context) error {
	next := c.machine.Release().PostgreSQL()
	if c.server == next {
		_, err := fmt.Fprintf(c.env.Stdout, "the directory is in PostgreSQL %s, which this Debian has\n", next)
		return err
	}
	if !c.machine.IsFile(filepath.Join(next.Programs(), "pg_upgrade")) {
		return command.WithHint(fmt.Errorf("PostgreSQL %s is not installed", next), "apt install postgresql")
	}
	if c.copying() || !c.machine.IsFile(filepath.Join(c.server.Data(), "PG_VERSION")) {
		return c.leave(ctx, next)
	}
	return c.convert(ctx, next)
}

// convert is upgrade on the writer. It can be run again after an interruption.
func (c *cluster) convert(ctx context.Context, next desired.PostgreSQL) error {
	// Debian's tool has it not start any more once it is converted.
	start, err := c.machine.ReadFile(c.server.Dir() + "/start.conf")
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Split(string(start), "\n"), "manual") {
		if err := c.removeUnused(ctx, next); err != nil {
			return err
		}
		c.say("convert the directory from PostgreSQL %s to %s: new accounts wait", c.server, next)
		if _, err := program.Output(ctx, "/", "pg_upgradecluster", "--method=upgrade", "--no-start", "--version="+string(next), string(c.server), mainCluster); err != nil {
			return err
		}
	}
	conf, err := c.machine.ReadFile(c.server.Conf())
	if err != nil {
		return err
	}
	// With that, it is the machine's server.
	if err := c.machine.Write(desired.File{Path: next.Conf(), Content: conf, Mode: 0o644, Owner: "root", Group: "root"}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.env.Stdout, `the directory is in PostgreSQL %[2]s. Now run: chatmaild run
New accounts wait until the copies are made again. On each other machine, run:
  chatmaild cluster upgrade && chatmaild run && chatmaild cluster rejoin
When all is well, remove the former data: pg_dropcluster %[1]s %[3]s
`, c.server, next, mainCluster)
	return err
}

// removeUnused removes the server that Debian has made with its package, unless it has
// databases.
func (c *cluster) removeUnused(ctx context.Context, v desired.PostgreSQL) error {
	if !c.machine.IsFile(v.Dir() + "/postgresql.conf") {
		return nil
	}
	const databases = "SELECT count(*) FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'"
	n, err := program.Output(ctx, "/", "runuser", "-u", "postgres", "--", "psql", "--cluster="+string(v)+"/"+mainCluster, "-XAtc", databases)
	if err != nil {
		return command.WithHint(fmt.Errorf("looking whether PostgreSQL %s is in use: %w", v, err),
			"start it, or if nobody needs it, remove it: pg_dropcluster --stop %s %s", v, mainCluster)
	}
	if n := strings.TrimSpace(string(n)); n != "0" {
		return fmt.Errorf("PostgreSQL %s has %s databases of others, where the directory is to be; move them to a server of another name", v, n)
	}
	_, err = program.Output(ctx, "/", "pg_dropcluster", "--stop", string(v), mainCluster)
	return err
}

// leave is upgrade on a copy, which the writer's new version cannot be copied to. It can be run
// again after an interruption.
func (c *cluster) leave(ctx context.Context, next desired.PostgreSQL) error {
	found := false
	for _, m := range config.Asked(c.conf) {
		if state, err := c.ask(ctx, m); err == nil && state.Writer {
			found = true
			if desired.PostgreSQL(state.Version) != next {
				return command.WithHint(fmt.Errorf("machine %s, the writer, has PostgreSQL %s", m.Name, state.Version),
					"run there first: chatmaild cluster upgrade")
			}
		}
	}
	if !found {
		return command.WithHint(errors.New("no machine is the writer of the directory"), "chatmaild cluster status")
	}
	c.say("remove the copy in PostgreSQL %s", c.server)
	if c.machine.IsFile(c.server.Dir() + "/postgresql.conf") {
		if _, err := program.Output(ctx, "/", "pg_dropcluster", "--stop", string(c.server), mainCluster); err != nil {
			return err
		}
	}
	// Debian's tool leaves what is not its own. Without the last of these, the machine's server
	// is the next one.
	for _, path := range []string{c.server.HBA(), c.server.Conf()} {
		if err := c.machine.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if !c.machine.IsFile(next.Dir() + "/postgresql.conf") {
		if _, err := program.Output(ctx, "/", "pg_createcluster", string(next), mainCluster); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(c.env.Stdout, "now run: chatmaild run && chatmaild cluster rejoin\n")
	return err
}
