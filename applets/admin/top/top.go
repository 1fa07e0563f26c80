// Package top shows what the relay does right now, from the metrics that its daemons
// publish: it asks none of them more than a scrape does.
//
// Rates and quantiles are computed from two scrapes, as Prometheus would, so that
// nothing has to be kept anywhere.
package top

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/applets/command"
	"chatmaild/applets/service"
	"chatmaild/applets/service/metric"
)

// Bounds of the time between two looks.
const (
	minInterval = 500 * time.Millisecond
	maxInterval = time.Minute
)

// Command is chatmaild top.
var Command = command.Command{
	Name: "top", Kind: command.Admin,
	Synopsis:    "shows live what the relay does",
	Description: "It shows rates, latencies, queues, and each daemon's processor time and memory.",
	Examples: command.Examples{
		{"top", "live; q ends it"},
		{"top --once", "one interval, for scripts"},
	},
	Bind: func(flags *flag.FlagSet) command.Run {
		once := flags.Bool("once", false, "print one interval, and exit")
		interval := flags.Duration("interval", 2*time.Second, "refresh every `INTERVAL`")
		return func(ctx context.Context, env *command.Env, args []string) error {
			if len(args) != 0 {
				return command.Usagef("unexpected argument")
			}
			if *interval < minInterval || *interval > maxInterval {
				return command.Usagef("--interval %v is outside %v to %v", *interval, minInterval, maxInterval)
			}
			conf, err := env.Config()
			if err != nil {
				return err
			}
			t := &top{socket: conf.Socket("metrics"), name: conf.MailDomain, interval: *interval, history: history{}}
			// Into a pipe or a file the control sequences would only be noise.
			if *once || !command.IsTerminal(env.Stdout) {
				return t.once(ctx, env.Stdout)
			}
			return t.live(ctx, env)
		}
	},
}

// top looks at the relay's metrics again and again.
type top struct {
	socket, name string
	interval     time.Duration
	last         look
	history      history
}

// look reads the metrics.
func (t *top) look(ctx context.Context) (look, error) {
	families, err := service.FetchMetrics(ctx, t.socket)
	if err != nil {
		return look{}, command.WithHint(err, "is the daemon running, and are you root? (see: systemctl status chatmaild-metrics)")
	}
	samples, err := metric.Parse(families)
	return look{time.Now(), samples}, err
}

// next looks again, and returns what changed since.
func (t *top) next(ctx context.Context) (change, error) {
	now, err := t.look(ctx)
	if err != nil {
		return change{}, err
	}
	c := change{before: t.last, now: now}
	t.last = now
	t.history.add(c)
	return c, nil
}

// once prints one interval, for scripts.
func (t *top) once(ctx context.Context, w io.Writer) error {
	var err error
	// Rates are differences, so that one look shows nothing.
	if t.last, err = t.look(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(t.interval):
	}
	c, err := t.next(ctx)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, strings.Join(screen(t.name, c, nil), "\n")+"\n")
	return err
}

// The control sequences that live uses (ECMA-48, and xterm's alternate screen).
const (
	// The alternate screen: what was on the terminal before is there again afterwards.
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	goHome      = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// live draws the screen until q, ^C or the end of the input.
func (t *top) live(ctx context.Context, env *command.Env) (err error) {
	if t.last, err = t.look(ctx); err != nil {
		return err
	}
	// After the first look: without a daemon, the error stays on the screen.
	keys, restore := keyboard(env.Stdin)
	defer func() { err = errors.Join(err, restore()) }()
	if _, err := io.WriteString(env.Stdout, enterScreen); err != nil {
		return err
	}
	defer io.WriteString(env.Stdout, leaveScreen)

	tick := time.NewTicker(t.interval)
	defer tick.Stop()
	lines := []string{"looking for " + t.interval.String() + " …"}
	for {
		if err := draw(env.Stdout, lines); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case key, ok := <-keys:
			if !ok {
				keys = nil // no keyboard: ^C ends it
			}
			// 3 is ^C, from a terminal that does not make a signal of it.
			if key == 'q' || key == 'Q' || key == 3 {
				return nil
			}
		case <-tick.C:
			c, err := t.next(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil { // the daemon restarts: the old numbers stay
				lines = append([]string{err.Error()}, lines[min(1, len(lines)):]...)
				continue
			}
			lines = screen(t.name, c, t.history)
		}
	}
}

// draw writes as much as fits, in one go.
// Each line is overwritten and its rest cleared; to clear the whole screen first would
// flicker.
func draw(w io.Writer, lines []string) error {
	width, height := command.TerminalSize(w)
	var b strings.Builder
	b.WriteString(goHome)
	for i, line := range lines[:min(len(lines), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(cut(line, width) + clearLine)
	}
	b.WriteString(clearBelow)
	_, err := io.WriteString(w, b.String())
	return err
}

// cut returns the first characters of a line.
func cut(line string, width int) string {
	for i := range line {
		if width == 0 {
			return line[:i]
		}
		width--
	}
	return line
}

// keyboard has the terminal give each key at once, and unseen. restore undoes that.
// The goroutine that reads ends with the process. Without a terminal there are no
// keys.
func keyboard(r io.Reader) (keys <-chan byte, restore func() error) {
	none := func() error { return nil }
	f, ok := r.(*os.File)
	if !ok {
		return nil, none
	}
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, none
	}
	raw := *before
	raw.Lflag &^= unix.ICANON | unix.ECHO // ^C still is a signal
	// Read returns with the first key, and waits for one for as long as it takes (termios(3)).
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
		return nil, none
	}
	read := make(chan byte)
	go func() {
		defer close(read)
		in := bufio.NewReader(f)
		for {
			key, err := in.ReadByte()
			if err != nil {
				return
			}
			read <- key
		}
	}()
	return read, func() error {
		if err := unix.IoctlSetTermios(fd, unix.TCSETS, before); err != nil {
			return command.WithHint(fmt.Errorf("setting the terminal back: %w", err), "type: reset")
		}
		return nil
	}
}
