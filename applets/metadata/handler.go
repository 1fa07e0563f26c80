package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"chatmaild/packaging/dovecot/dict"
	"chatmaild/push"
)

// handler answers Dovecot's requests for METADATA, and the operator's for the
// state of the notifier.
type handler struct {
	service  *push.Metadata
	notifier *push.Notifier
	copy     func() (path string, err error) // of the database
	mail     interface {                     // makes durable what was delivered to a user so far
		Sync(ctx context.Context, user string) error
	}
}

var _ dict.Handler = handler{}

// Lookup implements dict.Handler. Dovecot tells of a delivery by a look-up, and of a token by
// a change.
func (h handler) Lookup(ctx context.Context, key, user string) (string, bool, error) {
	switch {
	case push.Delivery(key):
		return "", false, h.delivered(ctx, key, user)
	case key == push.ReportKey:
		return h.report()
	case key == push.CopyKey:
		path, err := h.copy()
		return path, err == nil, err
	}
	return h.service.Lookup(key, user)
}

// delivered notifies the user's devices of a message, and returns once it is on the disk:
// Dovecot writes without waiting for that, and replies to Postfix, which keeps the message
// until then, only after us. Meanwhile the user's clients have it.
func (h handler) delivered(ctx context.Context, key, user string) error {
	// Beside the notification, which is written to the disk as well.
	synced := make(chan error, 1)
	go func() { synced <- h.mail.Sync(ctx, user) }()
	return errors.Join(h.service.Set(key, user, ""), <-synced)
}

func (h handler) report() (string, bool, error) {
	report, err := h.notifier.Report()
	if err != nil {
		return "", false, err
	}
	text, err := json.Marshal(report)
	if err != nil {
		return "", false, fmt.Errorf("writing the report: %w", err)
	}
	return string(text), true, nil
}

// Iterate implements dict.Handler. Dovecot iterates to list a mailbox's entries: ours
// are not listed, clients know their names.
func (h handler) Iterate(context.Context, string, string, func(key, value string) error) error {
	return nil
}

// Commit implements dict.Handler.
func (h handler) Commit(ctx context.Context, user string, changes []dict.Change) error {
	for _, c := range changes {
		var err error
		switch {
		case c.Unset:
			err = h.service.Unset(c.Key, user)
		case push.Delivery(c.Key):
			err = h.delivered(ctx, c.Key, user)
		default:
			err = h.service.Set(c.Key, user, c.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
