package host

import (
	"context"
	"fmt"

	"chatmaild/applets/admin/desired"
	"chatmaild/packaging/postfix/control"
	"chatmaild/packaging/postfix/queue"
)

// Postfix is the machine's.
func (h Host) Postfix() control.Postfix {
	return control.Postfix{Root: h.Root, Run: h.run, Stream: h.stream}
}

// StopMail stops mail in such an order that nothing is lost and nothing is delivered
// twice: filtermail-out takes nothing more from users; Postfix accepts no more, delivers what
// is in progress, and only then stops; then Dovecot, which took it. It says what is left in
// the queue. Every command that stops mail does it here.
func (h Host) StopMail(ctx context.Context, say func(format string, args ...any)) error {
	if err := h.Systemd().Systemctl(ctx, "stop", desired.SubmissionSockets()...); err != nil {
		return err
	}
	// It has the sockets, too, and may be in the middle of a message.
	if err := h.Systemd().Systemctl(ctx, "try-restart", desired.FiltermailOut); err != nil {
		return err
	}
	units, err := h.Systemd().Units(ctx, h.PostfixInstance())
	if err != nil {
		return err
	}
	if len(units) > 0 && units[0].Active == "active" {
		// Only while it runs: what a stopped Postfix had in progress is in the queue already.
		left, err := h.Postfix().Drain(ctx)
		if err != nil {
			return err
		}
		if left > 0 {
			say("%d messages are still in transit; they stay in the queue", left)
		}
	}
	// Debian's postfix.service only stands for its instance, and does not wait for it.
	if err := h.Systemd().Systemctl(ctx, "stop", desired.Postfix, h.PostfixInstance()); err != nil {
		return err
	}
	if len(units) > 0 && units[0].Active == "active" {
		if err := h.Postfix().Reopen(ctx); err != nil {
			return err
		}
	}
	return h.Systemd().Systemctl(ctx, "stop", desired.Dovecot)
}

// MailRules are those of the transport map: which destinations are held or discarded.
func MailRules(h Host) (queue.Rules, error) {
	text, err := h.ReadFile(desired.TransportMap)
	if err != nil {
		return queue.Rules{}, fmt.Errorf("reading the transport map, which chatmaild run creates: %w", err)
	}
	return queue.ParseRules(string(text)), nil
}

// SetMailRules changes the transport map, and has Postfix read it.
func SetMailRules(ctx context.Context, h Host, rules queue.Rules) error {
	// Atomically, as its processes read the whole map (texthash) whenever one starts.
	if err := h.Write(desired.TransportMapFile([]byte(rules.Text()))); err != nil {
		return err
	}
	units, err := h.Systemd().Units(ctx, h.PostfixInstance())
	if err != nil {
		return err
	}
	if units[0].Active != "active" {
		return nil // it reads the map when it starts
	}
	return h.Systemd().Systemctl(ctx, "reload", h.PostfixInstance())
}
