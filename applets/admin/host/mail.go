package host

import (
	"context"

	"chatmaild/applets/admin/desired"
	"chatmaild/packaging/postfix/control"
)

// Postfix is the machine's.
func (h Host) Postfix() control.Postfix {
	return control.Postfix{Root: h.Root, Run: h.run, Stream: h.stream}
}

// StopMail stops mail in such an order that nothing is lost and nothing is delivered
// twice: Postfix accepts no more, delivers what is in progress, and only then stops; then
// Dovecot, which took it. It says what is left in the queue. Every command that stops
// mail does it here.
func (h Host) StopMail(ctx context.Context, say func(format string, args ...any)) error {
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
