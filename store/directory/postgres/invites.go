package postgres

import (
	"context"
	"strconv"
	"time"

	"chatmaild/store/invites"
)

// Invites are those of a relay of several machines. All is asked of the writer: a use is taken
// once, whichever machine is asked for an account.
type Invites struct{ writer *server }

var _ invites.Tokens = (*Invites)(nil)

// OpenInvites returns them. It connects to nothing yet. Of the options it needs Writer, whose
// role is a member of chatmaild_writer, or of chatmaild_inviter for Use alone; Copies; and Now.
func OpenInvites(o Options) (*Invites, error) {
	writer, err := newServer(o.Writer, writerDeadline, o.Now)
	if err != nil {
		return nil, err
	}
	writer.needs(o.Copies)
	return &Invites{writer}, nil
}

// Close closes the connections that are not in use.
func (i *Invites) Close() { i.writer.close() }

// Create implements invites.Tokens.
func (i *Invites) Create(ctx context.Context, token string, uses int, expires time.Time, note string, now time.Time) (invites.Invite, error) {
	invite := invites.New(token, uses, expires, note)
	if _, _, err := i.writer.query(ctx, "DELETE FROM invites WHERE uses = 0 OR expires <= $1", seconds(now)); err != nil {
		return invite, err
	}
	rows, _, err := i.writer.query(ctx, "SELECT count(*) FROM invites")
	if err != nil {
		return invite, err
	}
	n, err := strconv.Atoi(string(rows[0][0]))
	if err != nil {
		return invite, errRow
	}
	if err := invites.Room(n); err != nil {
		return invite, err
	}
	_, _, err = i.writer.query(ctx, "INSERT INTO invites VALUES ($1, $2, $3, $4)", invite.Digest, strconv.Itoa(uses), seconds(invite.Expires), note)
	return invite, err
}

// List implements invites.Tokens.
func (i *Invites) List(ctx context.Context) ([]invites.Invite, error) {
	rows, _, err := i.writer.query(ctx, "SELECT substr(digest, 1, $1), uses, expires, note FROM invites ORDER BY expires, digest", strconv.Itoa(invites.IDLength))
	if err != nil {
		return nil, err
	}
	var all []invites.Invite
	for _, row := range rows {
		uses, usesErr := strconv.Atoi(string(row[1]))
		expires, err := strconv.ParseInt(string(row[2]), 10, 64)
		if err != nil || usesErr != nil {
			return nil, errRow
		}
		all = append(all, invites.Invite{ID: string(row[0]), Uses: uses, Expires: time.Unix(expires, 0).UTC(), Note: string(row[3])})
	}
	return all, nil
}

// Revoke implements invites.Tokens.
func (i *Invites) Revoke(ctx context.Context, id string) error {
	_, n, err := i.writer.query(ctx, "DELETE FROM invites WHERE substr(digest, 1, $2) = $1", id, strconv.Itoa(invites.IDLength))
	if err == nil && n == 0 {
		return invites.ErrNoInvite
	}
	return err
}

// Use implements invites.Tokens. A use that the writer has taken and could not confirm is
// lost: the invite may have one less, and never one more.
func (i *Invites) Use(ctx context.Context, token string, now time.Time) error {
	rows, _, err := i.writer.query(ctx, "UPDATE invites SET uses = uses - 1 WHERE digest = $1 AND uses > 0 AND expires > $2 RETURNING uses",
		invites.Digest(token), seconds(now))
	if err == nil && len(rows) == 0 {
		return invites.ErrNotValid
	}
	return err
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
