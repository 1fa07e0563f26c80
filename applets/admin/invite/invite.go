// Package invite creates, lists and revokes invites, which registration = "invite" asks
// for.
//
// A token is printed once, when it is created. What is stored is its digest, so that who
// reads a backup of the directory cannot use the invites in it.
package invite

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"time"

	"chatmaild/applets/accounts"
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

// Command is chatmaild invite.
var Command = command.Command{
	Name: "invite", Kind: command.Admin, Args: "create | list | revoke ID",
	Synopsis:    "creates, lists and revokes invites",
	Description: "With registration = \"invite\" in the configuration, only they let people in.",
	Examples: command.Examples{
		{"invite create --uses 10 --days 30 --note school", "an invite for ten accounts"},
		{"invite list", "all invites, without their tokens"},
		{"invite revoke ID", "make one invalid"},
	},
	Bind: func(flags *flag.FlagSet) command.Run {
		asJSON := flags.Bool("json", false, "print JSON, for programs")
		uses := flags.Int("uses", 1, "with create: valid for `N` accounts")
		days := flags.Int("days", 7, "with create: expires after `N` days")
		note := flags.String("note", "", "with create: a `TEXT` to show in the list")
		return func(ctx context.Context, env *command.Env, args []string) error {
			cfg, err := env.Config()
			if err != nil {
				return err
			}
			what, rest, err := command.Subcommand(args, "create", "list", "revoke")
			if err != nil {
				return err
			}
			if want := map[string]int{"revoke": 1}[what]; len(rest) < want {
				return command.Usagef("revoke: missing ID")
			} else if len(rest) > want {
				return command.Usagef("unexpected argument %q", rest[want])
			}
			err = with(cfg, func(tokens invites.Tokens) error {
				switch what {
				case "create":
					return create(ctx, env, cfg, tokens, *uses, *days, *note, *asJSON)
				case "list":
					return list(ctx, env, tokens, time.Now(), *asJSON)
				default:
					return revoke(ctx, env, tokens, rest[0])
				}
			})
			if errors.Is(err, fs.ErrNotExist) {
				return command.WithHint(err, "chatmaild run creates it")
			}
			return err
		}
	},
}

// with calls do with the relay's invites, whose key there is then: without it, which web and
// doveauth share, an invite would let nobody in.
func with(cfg *config.Config, do func(invites.Tokens) error) error {
	shared := config.Clustered(cfg)
	// The directory is the web daemon's: files that root created in it could not be
	// replaced by the daemon, and root must not follow what lies there.
	err := safefs.As(cfg.InvitesDir(), func() error {
		store, err := invites.Open(cfg.InvitesDir())
		if err == nil {
			_, err = store.Key()
		}
		if err != nil || shared {
			return command.NeedsRoot(err)
		}
		return do(store)
	})
	if err != nil || !shared {
		return err
	}
	tokens, err := accounts.Invites(cfg, false)
	if err != nil {
		return err
	}
	defer tokens.Close()
	return do(tokens)
}

// newInvite is what create prints: the token is told this once.
type newInvite struct {
	invites.Invite
	Token string `json:"token"`
	URL   string `json:"url"`
}

// create prints the token: it is not stored, and cannot be shown again.
func create(ctx context.Context, env *command.Env, cfg *config.Config, tokens invites.Tokens, uses, days int, note string, asJSON bool) error {
	if uses < 1 || uses > maxUses || days < 1 || days > maxDays {
		return command.Usagef("--uses must be 1 to %d, --days 1 to %d", maxUses, maxDays)
	}
	now := time.Now()
	token := rand.Text()
	invite, err := tokens.Create(ctx, token, uses, now.AddDate(0, 0, days), note, now)
	if err != nil {
		return command.NeedsRoot(err)
	}
	invite.Digest = "" // by which the store knows the token; of no use to people
	made := newInvite{invite, token, www.NewURL(config.Host(cfg), token)}
	// A hidden relay shows no page, even to those who are invited.
	if cfg.Hidden {
		made.URL = www.AccountLink(config.Host(cfg), token)
	}
	// It may be made in advance, but until then it is ignored, or anyone gets in without.
	if cfg.Registration != "invite" {
		fmt.Fprintf(env.Stderr, "chatmaild invite: note that registration = %q in %s\n", cfg.Registration, env.ConfigPath)
	}
	if asJSON {
		return command.PrintJSON(env.Stdout, made)
	}
	_, err = fmt.Fprintf(env.Stdout, "%s\n  id %s, %d uses, until %s; as a QR code: chatmaild qr --invite %s\n",
		made.URL, made.ID, made.Uses, made.Expires.Format(time.DateOnly), token)
	return err
}

// list shows what is left of each invite; tokens are not stored, so it cannot show these.
func list(ctx context.Context, env *command.Env, tokens invites.Tokens, now time.Time, asJSON bool) error {
	all, err := tokens.List(ctx)
	if err != nil {
		return command.NeedsRoot(err)
	}
	if asJSON {
		if all == nil { // [], not null
			all = []invites.Invite{}
		}
		return command.PrintJSON(env.Stdout, all)
	}
	table := command.NewTable(env.Stdout)
	fmt.Fprintln(table, "ID\tUSES LEFT\tEXPIRES\tVALID\tNOTE")
	for _, i := range all {
		fmt.Fprintf(table, "%s\t%d\t%s\t%t\t%s\n", i.ID, i.Uses, i.Expires.Format(time.DateOnly), i.Valid(now), i.Note)
	}
	return table.Flush()
}

// revoke makes one invalid at once; accounts that were created with it stay.
func revoke(ctx context.Context, env *command.Env, tokens invites.Tokens, id string) error {
	err := tokens.Revoke(ctx, id)
	if errors.Is(err, invites.ErrNoInvite) {
		return command.WithHint(err, "chatmaild invite list shows the ids")
	}
	if err != nil {
		return command.NeedsRoot(err)
	}
	_, err = fmt.Fprintf(env.Stdout, "%s: revoked\n", id)
	return err
}
