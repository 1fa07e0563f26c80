package takeover

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"chatmaild/applets/admin/keyfiles"
	"chatmaild/applets/admin/takeover/pythonrelay"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
)

// display tells the operator what would be done, or has been.
type display struct{ *importer }

// show says all that a takeover would do.
func (im display) show(ctx context.Context) error {
	out := im.env.Stdout
	im.showSettings(out)
	im.showData(out)
	units, err := im.oldUnits(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nUnits of the Python relay, stopped and masked; their files are moved to %s:\n", importMoved)
	t := command.NewTable(out)
	for _, u := range units {
		i := slices.IndexFunc(pythonrelay.Units, func(known pythonrelay.Unit) bool { return known.Name == u.Name })
		fmt.Fprintf(t, "  %s\treplaced by: %s\n", u.Name, pythonrelay.Units[i].Job)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := files(im).show(out); err != nil {
		return err
	}
	if err := im.showRun(ctx, out); err != nil {
		return err
	}
	im.addNotes(ctx)
	im.showNotes(out)
	fmt.Fprintf(out, "\nNothing has changed. The import turns mail off for some seconds; Postfix keeps its queue.\n"+
		"To do it: chatmaild import; to revert it: chatmaild import --undo\n")
	return nil
}

// showSettings says what becomes of each key.
func (im display) showSettings(out io.Writer) {
	fmt.Fprintf(out, "%s becomes %s:\n", im.ini, config.DefaultPath)
	t := command.NewTable(out)
	sorted := slices.Clone(im.conversion.Settings)
	slices.SortStableFunc(sorted, func(a, b pythonrelay.Setting) int { return cmp.Compare(a.Fate, b.Fate) })
	for _, s := range sorted {
		name, detail := s.Param.Key, s.Why
		if s.Fate == pythonrelay.Taken {
			detail = s.TOML
			if s.Key != name {
				detail = s.Key + " = " + s.TOML
			}
		}
		fmt.Fprintf(t, "  %v\t%s\t%s\n", s.Fate, name, detail)
	}
	t.Flush()
	if im.conf.WWWFolder == importPages {
		fmt.Fprintf(out, "  %d pages of your own are copied to %s\n", len(im.pages), importPages)
	}
}

// showData counts what users own.
func (im display) showData(out io.Writer) {
	a := im.accounts
	where := "stay where they are, in"
	if im.from != "" {
		where = "are copied to"
	}
	fmt.Fprintf(out, "\n%d accounts %s %s, with messages, passwords", a.total, where, im.conf.MailboxesDir)
	var schemes []string
	for _, name := range slices.Sorted(maps.Keys(a.schemes)) {
		schemes = append(schemes, fmt.Sprintf("%d %s", a.schemes[name], name))
	}
	if len(schemes) > 0 {
		fmt.Fprintf(out, " (%s)", strings.Join(schemes, ", "))
	}
	fmt.Fprintf(out, " and days of last login;\n  %d refuse cleartext; %d have push tokens; %d notifications are pending\n", a.enforced, a.tokens, a.waiting)
	for _, note := range []struct {
		n    int
		what string
	}{
		{a.blocked, "are blocked, by a file " + pythonrelay.DisabledFile + " or an edited password: so they are here (chatmaild user list)"},
		{a.bad, "have a password of a kind that chatmaild cannot check: nobody can log in until they have another (chatmaild user password)"},
		{a.bare, "mailboxes have no password file: they stay, and nobody can log in"},
		{a.odd, "mailboxes have names that chatmaild does not take (it takes a-z, 0-9, _ and -, with single dots between): they stay, without logins and new mail"},
		{a.foreign, "mailboxes belong to another domain: they stay, without logins"},
	} {
		if note.n > 0 {
			fmt.Fprintf(out, "  %d %s\n", note.n, note.what)
		}
	}
	if _, literal := im.conf.Literal(); !literal {
		fmt.Fprintf(out, "DKIM key: %s, selector %s\n", keyfiles.DKIM(im.conf), im.conf.DKIMSelector)
	}
	if _, _, err := im.oldPair(); err == nil {
		fmt.Fprintf(out, "TLS key: the one in %s\n", im.oldPairPaths().PrivateKey)
	}
}

// showRun says what chatmaild run does as a part of the takeover.
func (im display) showRun(ctx context.Context, out io.Writer) error {
	conf := *im.conf
	if conf.WWWFolder == importPages {
		conf.WWWFolder = pythonrelay.WWWRoot // where the pages still are
	}
	todo, err := im.planner(&conf, pythonrelay.Programs...).Relay(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nThen, as with chatmaild run; replaced files are kept in %s:\n", importKept)
	if im.diff {
		todo.Show(out)
		return nil
	}
	for _, c := range todo.Files {
		verb := "write"
		switch {
		case c.File.Absent:
			verb = "remove"
		case c.Exists:
			verb = "replace"
		}
		fmt.Fprintf(out, "  %s %s\n", verb, c.File.Path)
	}
	for _, s := range todo.Units {
		fmt.Fprintf(out, "  %s %s\n", s.Verb, s.Unit)
	}
	return nil
}

// showNotes prints what the operator should know, last.
func (im display) showNotes(out io.Writer) {
	if len(im.notes) == 0 {
		return
	}
	fmt.Fprintf(out, "\nTo know:\n")
	for _, n := range im.notes {
		fmt.Fprintf(out, "  %s: %s\n", n.about, n.text)
	}
}

// conclude is what the operator reads when all is done.
func (im display) conclude(ctx context.Context) {
	out := im.env.Stdout
	fmt.Fprintf(out, "\n%s is a chatmaild relay now, with %d accounts.\n", im.conf.MailDomain, im.accounts.total)
	for _, s := range im.conversion.Settings {
		if s.Fate != pythonrelay.Taken && s.Value != "" {
			fmt.Fprintf(out, "  %v: %s (%s)\n", s.Fate, s.Param.Key, s.Why)
		}
	}
	im.addNotes(ctx)
	im.showNotes(out)
	fmt.Fprintf(out, "See chatmaild status. Back to the Python relay: chatmaild import --undo, for as long as there is %s\n", importDir)
}
