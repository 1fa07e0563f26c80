package admin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	iofs "io/fs"
	"text/tabwriter"
	"time"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/packaging/www"
	"chatmaild/store/invites"
	"chatmaild/store/safefs"
)

// maxUses and maxDays bound what a typo can do.
const (
	maxUses = 1_000_000
	maxDays = 3650
)

var inviteCommand = command.Command{
	Name: "invite", Kind: command.Admin, Args: "create | list | revoke ID",
	Synopsis: "makes, lists and revokes invites, for registration = \"invite\"",
	Bind: func(fs *flag.FlagSet) command.Run {
		asJSON := fs.Bool("json", false, "print JSON instead of text")
		uses := fs.Int("uses", 1, "create: how many `accounts` it is good for")
		days := fs.Int("days", 7, "create: after how many `days` it expires")
		note := fs.String("note", "", "create: a `text` for the list")
		return func(_ context.Context, env *command.Env, args []string) error {
			cfg, err := env.Config()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return command.Usagef("invite: say what to do: create, list or revoke")
			}
			// The directory is the web daemon's.
			err = safefs.As(cfg.InvitesDir(), func() error {
				store, err := invites.Open(cfg.InvitesDir())
				if err != nil {
					return explain(err)
				}
				switch {
				case args[0] == "create" && len(args) == 1:
					return createInvite(env, cfg, store, *uses, *days, *note, *asJSON)
				case args[0] == "list" && len(args) == 1:
					return listInvites(env, store, time.Now(), *asJSON)
				case args[0] == "revoke" && len(args) == 2:
					return revokeInvite(env, store, args[1])
				}
				return command.Usagef("invite: want create, list or revoke ID")
			})
			if errors.Is(err, iofs.ErrNotExist) {
				return command.WithHint(err, "chatmaild run makes it")
			}
			return err
		}
	},
}

// newInvite is what create prints: the token is told this once.
type newInvite struct {
	invites.Invite
	Token string `json:"token"`
	URL   string `json:"url"`
}

func createInvite(env *command.Env, cfg *config.Config, store *invites.Store, uses, days int, note string, asJSON bool) error {
	if uses < 1 || uses > maxUses || days < 1 || days > maxDays {
		return command.Usagef("invite: want 1 to %d uses and 1 to %d days", maxUses, maxDays)
	}
	if _, err := store.Key(); err != nil {
		return explain(err)
	}
	now := time.Now()
	token := rand.Text()
	invite, err := store.Create(token, uses, now.AddDate(0, 0, days), note, now)
	if err != nil {
		return explain(err)
	}
	invite.Digest = ""
	made := newInvite{invite, token, www.NewURL(cfg.MailDomain, token)}
	if cfg.Registration != "invite" {
		fmt.Fprintf(env.Stderr, "chatmaild invite: note that registration = %q in %s\n", cfg.Registration, env.ConfigPath)
	}
	if asJSON {
		return printInvites(env, made)
	}
	_, err = fmt.Fprintf(env.Stdout, "%s\n  id %s, %d uses, until %s; as a QR code: chatmaild qr --invite %s\n",
		made.URL, made.ID, made.Uses, made.Expires.Format(time.DateOnly), token)
	return err
}

func listInvites(env *command.Env, store *invites.Store, now time.Time, asJSON bool) error {
	all, err := store.List()
	if err != nil {
		return explain(err)
	}
	if asJSON {
		if all == nil {
			all = []invites.Invite{}
		}
		return printInvites(env, all)
	}
	table := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tUSES LEFT\tEXPIRES\tVALID\tNOTE")
	for _, i := range all {
		fmt.Fprintf(table, "%s\t%d\t%s\t%t\t%s\n", i.ID, i.Uses, i.Expires.Format(time.DateOnly), i.Valid(now), i.Note)
	}
	return table.Flush()
}

func revokeInvite(env *command.Env, store *invites.Store, id string) error {
	err := store.Revoke(id)
	if errors.Is(err, invites.ErrNoInvite) {
		return command.WithHint(err, "chatmaild invite list shows the ids")
	}
	if err != nil {
		return explain(err)
	}
	_, err = fmt.Fprintf(env.Stdout, "%s: revoked\n", id)
	return err
}

func printInvites(env *command.Env, what any) error {
	enc := json.NewEncoder(env.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(what)
}
