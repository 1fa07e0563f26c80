package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A release is one that can be made.
type release struct {
	version string
	tag     string
	commit  string
	tagged  bool   // the tag is there, at this commit
	changes string // the entry of debian/changelog
	news    string // the entry of debian/NEWS, if there is one
}

// release says what is to be released, or why nothing can be.
func (c checkout) release(ctx context.Context) (*release, error) {
	if err := c.clean(ctx); err != nil {
		return nil, err
	}
	commit, err := c.run(ctx, "git", "rev-parse", "HEAD")
	if err != nil {
		return nil, err
	}
	entry, err := c.entry(ctx, "debian/changelog")
	if err != nil {
		return nil, err
	}
	r := &release{version: entry.version, tag: "v" + entry.version, commit: strings.TrimSpace(commit), changes: entry.changes}
	switch {
	case entry.distribution == "UNRELEASED":
		return nil, fmt.Errorf("debian/changelog: %s is UNRELEASED: finish the entry (dch --release) and commit it", r.version)
	case strings.ContainsAny(r.version, ":~^ "):
		return nil, fmt.Errorf("debian/changelog: %s cannot be the name of a tag", r.version)
	case r.changes == "":
		return nil, fmt.Errorf("debian/changelog: the entry of %s says nothing", r.version)
	}
	if err := c.tags(ctx, r); err != nil {
		return nil, err
	}
	news, err := c.entry(ctx, "debian/NEWS")
	if err != nil {
		return nil, err
	}
	if news.version == r.version {
		r.news = news.changes
	}
	return r, nil
}

// clean refuses sources that are in no commit: nobody else could build them.
func (c checkout) clean(ctx context.Context) error {
	out, err := c.run(ctx, "git", "status", "--porcelain")
	if err == nil && out != "" {
		err = fmt.Errorf("the checkout has changes that are in no commit; commit or remove them:\n%s", strings.TrimRight(out, "\n"))
	}
	return err
}

// tags looks for a tag of this version, and for those of newer ones.
func (c checkout) tags(ctx context.Context, r *release) error {
	out, err := c.run(ctx, "git", "tag", "--list", "v[0-9]*", "--format=%(refname:short) %(*objectname)%(objectname)")
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		tag, at, _ := strings.Cut(strings.TrimSpace(line), " ")
		if tag == r.tag {
			// Of a signed tag the commit comes first, then the tag itself.
			if !strings.HasPrefix(at, r.commit) {
				return fmt.Errorf("%s is released already, at %.12s: raise the version in debian/changelog (dch)", r.version, at)
			}
			r.tagged = true
			continue
		}
		if _, err := c.run(ctx, "dpkg", "--compare-versions", r.version, "gt", tag[1:]); err != nil {
			return fmt.Errorf("debian/changelog: %s is not newer than %s, which is released: apt would not install it", r.version, tag[1:])
		}
	}
	return nil
}

// An entry is the newest one of a file in the format of deb-changelog(5).
type entry struct{ version, distribution, changes string }

func (c checkout) entry(ctx context.Context, file string) (e entry, err error) {
	for _, field := range []struct {
		name string
		to   *string
	}{{"Version", &e.version}, {"Distribution", &e.distribution}, {"Changes", &e.changes}} {
		text, err := c.run(ctx, "dpkg-parsechangelog", "--file", file, "--show-field", field.name)
		if err != nil {
			return e, err
		}
		*field.to = strings.TrimRight(text, "\n")
	}
	if e.version == "" {
		return e, errors.New(file + " has no entry")
	}
	// The field begins with the entry's head; a line with nothing in it is a full stop.
	head := strings.TrimLeft(e.changes, "\n")
	e.changes = strings.Trim(strings.ReplaceAll(head[strings.IndexByte(head+"\n", '\n'):], "\n.\n", "\n\n"), "\n")
	return e, nil
}
