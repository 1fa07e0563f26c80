package service

import (
	"context"
	"io"
	"log/slog"
)

// NewLogger returns a text log at the given level. For journald, which keeps the
// time itself, each line begins with its priority as in sd-daemon(3) instead.
func NewLogger(w io.Writer, level slog.Level, journald bool) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if !journald {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	opts.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}
	with := func(prefix string) slog.Handler {
		return slog.NewTextHandler(prefixWriter{w, prefix}, opts)
	}
	return slog.New(journalHandler{
		debug: with("<7>"), info: with("<6>"), warn: with("<4>"), error: with("<3>"),
	})
}

// journalHandler has a text handler for each priority of sd-daemon(3) in use.
type journalHandler struct {
	debug, info, warn, error slog.Handler
}

func (h journalHandler) at(l slog.Level) slog.Handler {
	switch {
	case l < slog.LevelInfo:
		return h.debug
	case l < slog.LevelWarn:
		return h.info
	case l < slog.LevelError:
		return h.warn
	default:
		return h.error
	}
}

func (h journalHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.at(l).Enabled(ctx, l)
}

func (h journalHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.at(r.Level).Handle(ctx, r)
}

func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return journalHandler{
		h.debug.WithAttrs(attrs), h.info.WithAttrs(attrs),
		h.warn.WithAttrs(attrs), h.error.WithAttrs(attrs),
	}
}

func (h journalHandler) WithGroup(name string) slog.Handler {
	return journalHandler{
		h.debug.WithGroup(name), h.info.WithGroup(name),
		h.warn.WithGroup(name), h.error.WithGroup(name),
	}
}

// prefixWriter writes each line, which slog hands over whole, behind a prefix.
type prefixWriter struct {
	w      io.Writer
	prefix string
}

func (p prefixWriter) Write(line []byte) (int, error) {
	if _, err := p.w.Write(append([]byte(p.prefix), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}
