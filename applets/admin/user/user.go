// Package user lists, shows, blocks, deletes, creates and moves accounts. What it does to a
// mailbox it does with the rights of the mailboxes' owner, not with root's: a link that
// a daemon of that user left there leads root nowhere.
//
// Each change prints the command that undoes it, or says that nothing can.
package user

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/admin/rehome"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/auth"
	"chatmaild/auth/mailaddr"
	"chatmaild/store/directory"
	"chatmaild/store/maildir"
	"chatmaild/store/safefs"
)

// Command is chatmaild user.
var Command = command.Command{
	Name: "user", Kind: command.Admin,
	Args:     "list | show ADDRESS ... | block ADDRESS ... | unblock ADDRESS ... | delete ADDRESS ... | create ADDRESS ... | password ADDRESS ... | move ADDRESS ... --to MACHINE",
	Synopsis: "lists, shows, blocks, deletes, creates and moves accounts",
	Description: `The domain of an ADDRESS may be left out. A blocked account keeps its mail, but
nobody can log in. Deleting cannot be undone.

Where the relay is several machines, move gives a mailbox another home, with all that is
in it. It is closed for a fraction of a second; its mail waits, and its apps connect again.`,
	Examples: command.Examples{
		{"user list", "all accounts"},
		{"user block spammer@chat.example.org", "end its sessions and refuse its logins"},
		{"user create postmaster", "create an account and print its password"},
		{"user move alice --to b", "give a mailbox another home, of several machines"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		asJSON := fs.Bool("json", false, "print JSON, for programs")
		stdin := fs.Bool("stdin", false, "with create and password: read the password from standard input instead of generating one")
		to := fs.String("to", "", "with move: the `machine` that gets the mailbox")
		return func(ctx context.Context, env *command.Env, args []string) error {
			cfg, err := env.Config()
			if err != nil {
				return err
			}
			u := users{
				env: env, cfg: cfg, json: *asJSON, stdin: *stdin, to: *to, now: time.Now, sessions: dovecotSessions{},
				mailboxes: maildir.New(cfg.MailboxesDir, cfg.AddressDomain()),
			}
			rows, err := accounts.Open(cfg, nil)
			if err != nil {
				return err
			}
			defer rows.Close()
			u.accounts, u.here = rows, cfg.Cluster.Name
			if rows.Rows != nil {
				u.rows = &rehome.Rows{Copy: rows.Rows.Copy, Writer: rows.Rows.Writer, Machines: rows.Rows.MachinesWord}
			}
			return u.run(ctx, args)
		}
	},
}

// users is what the subcommands of user work with.
type users struct {
	env       *command.Env
	cfg       *config.Config
	mailboxes *maildir.Store
	accounts  directory.Accounts
	here      string // the name of this machine, of several; else ""
	rows      *rehome.Rows
	sessions  sessions
	now       func() time.Time
	json      bool
	stdin     bool
	to        string
}

// run checks all addresses before it changes the first account.
func (u *users) run(ctx context.Context, args []string) error {
	what, args, err := command.Subcommand(args, "list", "show", "block", "unblock", "delete", "create", "password", "move")
	if err != nil {
		return err
	}
	if what == "list" {
		if len(args) > 0 {
			return command.Usagef("unexpected argument %q", args[0])
		}
		return u.asOwner(func() error { return u.list(ctx) })
	}
	// All that change one account have the same shape: they return what is printed.
	each := map[string]func(context.Context, mailaddr.Address) (any, error){
		"show": u.show, "block": u.block, "unblock": u.unblock,
		"delete": u.delete, "create": u.create, "password": u.password, "move": u.move,
	}[what]
	if len(args) == 0 {
		return command.Usagef("%s: missing ADDRESS", what)
	}
	if len(args) > 1 && u.stdin {
		return command.Usagef("--stdin is for one ADDRESS")
	}
	var addrs []mailaddr.Address
	for _, arg := range args {
		addr, err := u.parse(arg)
		if err != nil {
			return err
		}
		addrs = append(addrs, addr)
	}
	for _, addr := range addrs {
		done, err := each(ctx, addr)
		if err != nil {
			return explain(fmt.Errorf("%s: %w", addr, err))
		}
		if err := u.print(done); err != nil {
			return err
		}
	}
	return nil
}

// parse takes an address, or what stands before its "@".
func (u *users) parse(arg string) (mailaddr.Address, error) {
	domain := u.cfg.AddressDomain()
	if !strings.Contains(arg, "@") {
		arg += "@" + domain
	}
	addr, err := mailaddr.Parse(arg, domain)
	if err != nil {
		return addr, command.Usagef("%q is not an address of this relay: want NAME@%s, with a NAME of a-z 0-9 . _ -", arg, domain)
	}
	return addr, nil
}

// explain adds what to do to errors that a typing mistake, or another user than root,
// would cause.
func explain(err error) error {
	if errors.Is(err, auth.ErrNoMailbox) {
		return command.WithHint(err, "chatmaild user list shows all of them")
	}
	if errors.Is(err, directory.ErrChanged) {
		return command.WithHint(err, "run the same command again")
	}
	return command.NeedsRoot(err)
}

// print writes for programs or for people.
func (u *users) print(done any) error {
	if u.json {
		return command.PrintJSON(u.env.Stdout, done)
	}
	_, err := fmt.Fprintln(u.env.Stdout, done)
	return err
}

// changed says what was done to an account.
type changed struct {
	Address string `json:"address"`
	Done    string `json:"done"`
	Undo    string `json:"undo,omitempty"` // a command, or ""
}

func (c changed) String() string {
	text := c.Address + ": " + c.Done
	if c.Undo != "" {
		text += "; undo: " + c.Undo
	}
	return text
}

// block edits the stored password so that nothing matches it, and ends open sessions,
// which would continue otherwise.
func (u *users) block(ctx context.Context, addr mailaddr.Address) (any, error) {
	if err := u.edit(ctx, addr, block); err != nil {
		return nil, err
	}
	u.endSessions(ctx, addr)
	return changed{addr.String(), "blocked", "chatmaild user unblock " + addr.String()}, nil
}

// unblock restores the password that the account had. One that an import found blocked
// may have none behind the block, and would be damaged without it.
func (u *users) unblock(ctx context.Context, addr mailaddr.Address) (any, error) {
	done := changed{addr.String(), "unblocked", "chatmaild user block " + addr.String()}
	return done, u.edit(ctx, addr, func(stored string) (string, error) {
		password := auth.Unblock(stored)
		if auth.IsBlocked(stored) && auth.CheckStored(password) != nil {
			return "", command.WithHint(errors.New("the account has no password"),
				"to set one: chatmaild user password %s; then unblock it", addr)
		}
		return password, nil
	})
}

// block is auth.Block for edit.
func block(stored string) (string, error) { return auth.Block(stored), nil }

// edit changes the stored password; its file's time stays, which is the day of the last
// login.
func (u *users) edit(ctx context.Context, addr mailaddr.Address, change func(string) (string, error)) error {
	return u.asOwner(func() error {
		old, err := u.accounts.Account(ctx, addr)
		if err != nil {
			return err
		}
		changed := old
		if changed.Stored, err = change(old.Stored); err != nil {
			return err
		}
		return u.accounts.Change(ctx, addr, old, changed)
	})
}

// asOwner does something to mailboxes with the rights of their user, not root's.
func (u *users) asOwner(do func() error) error { return safefs.As(u.cfg.MailboxesDir, do) }

// delete blocks first, so that no new session comes while the old ones end and
// the mailbox goes. A session or delivery that ends too late may leave a directory
// behind; expire takes a directory without a password for what it is.
func (u *users) delete(ctx context.Context, addr mailaddr.Address) (any, error) {
	err := u.edit(ctx, addr, block)
	if err != nil && !errors.Is(err, auth.ErrNoPassword) {
		return nil, err
	}
	u.endSessions(ctx, addr)
	if err := u.asOwner(func() error { return u.accounts.Remove(ctx, addr) }); err != nil {
		return nil, err
	}
	if err := u.forgetTokens(ctx, addr); err != nil {
		fmt.Fprintf(u.env.Stderr, "chatmaild user: the push tokens of %s are removed later, when the metadata daemon finds its mailbox gone: %v\n", addr, err)
	}
	return changed{addr.String(), "deleted, with all its mail: that cannot be undone", ""}, nil
}

// endSessions only warns if it cannot: the account is blocked or gone already, which
// matters more.
func (u *users) endSessions(ctx context.Context, addr mailaddr.Address) {
	if machine := u.elsewhere(ctx, addr); machine != "" {
		fmt.Fprintf(u.env.Stderr, "chatmaild user: open sessions of %s continue on machine %s; to end them, run there: doveadm kick %s\n", addr, machine, addr)
	}
	if err := u.sessions.end(ctx, addr); err != nil {
		fmt.Fprintf(u.env.Stderr, "chatmaild user: open sessions of %s may continue: %v\n", addr, err)
	}
}

// elsewhere is the other machine that has the mailbox of addr, or "".
func (u *users) elsewhere(ctx context.Context, addr mailaddr.Address) (machine string) {
	if u.here == "" {
		return ""
	}
	_ = u.asOwner(func() error {
		a, err := u.accounts.Account(ctx, addr)
		if machine = a.Home; machine == u.here {
			machine = ""
		}
		return err
	})
	return machine
}

// credentials are what a person needs to log in.
type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

func (c credentials) String() string { return c.Email + "  " + c.Password }

// create makes an account outside the rules for names and limits: an operator may have a
// postmaster.
func (u *users) create(ctx context.Context, addr mailaddr.Address) (any, error) {
	password, stored, err := u.newPassword()
	if err != nil {
		return nil, err
	}
	err = u.asOwner(func() error {
		return u.accounts.Create(ctx, addr, auth.Account{Stored: stored, EncryptedOnly: true})
	})
	return credentials{addr.String(), password}, err
}

// password keeps a blocked account blocked, with the new password behind the block.
func (u *users) password(ctx context.Context, addr mailaddr.Address) (any, error) {
	password, stored, err := u.newPassword()
	if err != nil {
		return nil, err
	}
	err = u.asOwner(func() error {
		old, err := u.accounts.Account(ctx, addr)
		if err != nil && !errors.Is(err, auth.ErrNoPassword) {
			return err
		}
		changed := old
		changed.Stored = stored
		if auth.IsBlocked(old.Stored) {
			changed.Stored = auth.Block(stored)
		}
		return u.accounts.Change(ctx, addr, old, changed)
	})
	if err != nil {
		return nil, err
	}
	u.endSessions(ctx, addr)
	return credentials{addr.String(), password}, nil
}

// newPassword returns a password and how it is stored. An operator may choose any
// that bcrypt can hold; one that is made up has 130 random bits.
func (u *users) newPassword() (password, stored string, err error) {
	password = rand.Text()
	if u.stdin {
		text, err := io.ReadAll(io.LimitReader(u.env.Stdin, 4<<10))
		if err != nil {
			return "", "", fmt.Errorf("reading the password: %w", err)
		}
		// The first line, without its end: echo adds one, and no password has it.
		password, _, _ = strings.Cut(string(text), "\n")
		if len(password) < u.cfg.PasswordMinLength || len(password) > auth.MaxPassword {
			return "", "", command.Usagef("the password has %d bytes: want %d to %d", len(password), u.cfg.PasswordMinLength, auth.MaxPassword)
		}
	}
	stored, err = auth.Hash(password, u.cfg.BcryptCost)
	return password, stored, err
}

// sessions are those that are open in Dovecot.
type sessions interface {
	end(ctx context.Context, addr mailaddr.Address) error
}

// dovecotSessions are those of the Dovecot on this machine.
type dovecotSessions struct{}

// notFound is the exit status with which doveadm says that there was no session
// (EX_NOUSER of sysexits.h).
const notFound = 68

// end uses doveadm kick: Dovecot's processes check a password once, at the login.
func (dovecotSessions) end(ctx context.Context, addr mailaddr.Address) error {
	out, err := exec.CommandContext(ctx, "doveadm", "kick", addr.String()).CombinedOutput()
	if status, ok := errors.AsType[*exec.ExitError](err); ok && status.ExitCode() == notFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("doveadm kick: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
