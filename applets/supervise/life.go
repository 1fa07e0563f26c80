package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chatmaild/applets/supervise/process"
	"chatmaild/applets/supervise/unit"
)

const (
	// groupTimeout is how long what a main process has left behind may take to end.
	groupTimeout = 5 * time.Second
	// poll is how often is looked for what the kernel does not announce.
	poll = 20 * time.Millisecond
)

// searchPath is the PATH of services, as systemd has it.
const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// life is one run of a service.
type life struct {
	super    *Supervisor
	unit     *unit.Unit
	identity process.Identity
	main     *process.Process // nil before it was started
	began    time.Time
	notify   *notify          // nil if it tells nothing
	silent   <-chan time.Time // the watchdog's end
	env      []string
	files    []*os.File // sockets
}

// begin starts a service and returns once it is ready.
func begin(ctx context.Context, super *Supervisor, u *unit.Unit) (l *life, err error) {
	l = &life{super: super, unit: u, began: time.Now(), env: append([]string{searchPath, "LANG=C.UTF-8"}, u.Environment...)}
	defer func() {
		for _, f := range l.files {
			f.Close()
		}
		if err != nil {
			err = errors.Join(err, l.abandon())
		}
	}()
	if l.identity, err = process.IdentityOf(u); err != nil {
		return l, err
	}
	if err := l.prepare(ctx); err != nil {
		return l, err
	}
	for _, c := range u.StartPre {
		if err := l.command(ctx, c, u.StartTimeout); err != nil {
			return l, err
		}
	}
	if l.main, err = l.spawn(u.Start[0], l.files); err != nil {
		return l, err
	}
	if err := l.ready(ctx); err != nil {
		return l, err
	}
	if u.Type == "oneshot" {
		l.clear()
	}
	for _, c := range u.StartPost {
		if err := l.command(ctx, c, u.StartTimeout); err != nil {
			return l, err
		}
	}
	if u.Watchdog > 0 && l.notify != nil {
		l.silent = l.notify.watch(u.Watchdog)
	}
	return l, nil
}

// prepare makes what the service finds when it starts: sockets, directories, credentials.
func (l *life) prepare(ctx context.Context) (err error) {
	var names []string
	for _, name := range l.super.socketsFor(l.unit) {
		file, fd, err := l.super.listener(ctx, name)
		if err != nil {
			return err
		}
		if file != nil {
			l.files, names = append(l.files, file), append(names, fd)
		}
	}
	if len(names) > 0 {
		l.env = append(l.env, fmt.Sprintf("LISTEN_FDS=%d", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	if l.identity.Name != "" {
		if u, err := user.Lookup(l.identity.Name); err == nil {
			l.env = append(l.env, "USER="+u.Username, "LOGNAME="+u.Username, "HOME="+u.HomeDir)
		}
	}
	if dir := l.unit.RuntimeDir; dir != "" {
		if err := own(filepath.Join(l.super.run, dir), l.unit.RuntimeMode, l.identity); err != nil {
			return err
		}
	}
	if len(l.unit.Credentials) > 0 {
		dir := l.credentialsDir()
		if err := credentials(dir, l.unit.Credentials, l.identity); err != nil {
			return err
		}
		l.env = append(l.env, "CREDENTIALS_DIRECTORY="+dir)
	}
	if l.unit.Type == "notify" {
		if l.notify, err = listenNotify(filepath.Join(l.super.run, "chatmaild/notify"), l.unit.Name, l.identity); err != nil {
			return err
		}
		l.env = append(l.env, "NOTIFY_SOCKET="+l.notify.path)
		if l.unit.Watchdog > 0 {
			l.env = append(l.env, fmt.Sprintf("WATCHDOG_USEC=%d", l.unit.Watchdog.Microseconds()))
		}
	}
	return nil
}

func (l *life) credentialsDir() string {
	return filepath.Join(l.super.run, "chatmaild/credentials", l.unit.Name)
}

// ready waits until the main process serves.
func (l *life) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, l.unit.StartTimeout, fmt.Errorf("not ready after %v", l.unit.StartTimeout))
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var told <-chan struct{}
	switch {
	case l.unit.Type == "oneshot":
		tick.Stop()
	case l.notify != nil:
		told = l.notify.ready
		tick.Stop()
	case l.unit.PIDFile == "":
		return nil
	}
	for {
		select {
		case <-told:
			return nil
		case <-l.main.Ended():
			select {
			case <-told:
				return nil // and has had enough since
			default:
			}
			if err := l.main.Err(); err != nil || l.unit.Type == "oneshot" {
				return err
			}
			return errors.New("it ended before it was ready")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			// A server writes the file once it listens.
			text, err := os.ReadFile(l.unit.PIDFile)
			if pid, perr := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && perr == nil && pid == l.main.PID {
				return nil
			}
		}
	}
}

// spawn starts one of a unit's commands, whose output is the unit's.
func (l *life) spawn(c unit.Command, files []*os.File) (*process.Process, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	out, err := l.super.out.pipe(l.unit.Name)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	args := process.Arguments(l.unit, c, l.identity)
	if l.main != nil {
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], unit.MainPID, strconv.Itoa(l.main.PID))
		}
	}
	return l.super.children.Start(args, l.env, append([]*os.File{null, out, out}, files...))
}

// command runs one of a unit's commands to its end.
func (l *life) command(ctx context.Context, c unit.Command, within time.Duration) error {
	p, err := l.spawn(c, nil)
	if err == nil {
		select {
		case <-p.Ended():
			err = p.Err()
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(within):
			err = fmt.Errorf("not done after %v", within)
		}
		select {
		case <-p.Ended():
		default:
			_ = p.SignalGroup(syscall.SIGKILL)
		}
	}
	if err != nil && !c.Optional {
		return fmt.Errorf("%s: %w", strings.Join(c.Args, " "), err)
	}
	return nil
}

// end has the main process end, and what it has started.
func (l *life) end() error {
	u := l.unit
	var errs []error
	for _, c := range u.Stop {
		errs = append(errs, l.command(context.Background(), c, u.StopTimeout))
	}
	signal := syscall.SIGTERM
	if u.KillSignal == "SIGQUIT" {
		signal = syscall.SIGQUIT
	}
	errs = append(errs, l.main.Signal(signal))
	select {
	case <-l.main.Ended():
	case <-time.After(u.StopTimeout):
		l.super.log.Warn("a part of the relay did not end in time, and is killed", "unit", u.Name, "after", u.StopTimeout)
		errs = append(errs, l.main.SignalGroup(syscall.SIGKILL))
		<-l.main.Ended()
		if signal == syscall.SIGTERM {
			errs = append(errs, fmt.Errorf("%s: %w", u.Name, errKilled))
		}
	}
	l.clear()
	return errors.Join(errs...)
}

// errKilled says that a program did not end when it was asked to.
var errKilled = errors.New("it did not end in time, and was killed")

// abandon ends what a start that failed has begun.
func (l *life) abandon() error {
	var err error
	if l.main != nil {
		err = l.main.SignalGroup(syscall.SIGTERM)
		select {
		case <-l.main.Ended():
		case <-time.After(l.unit.StopTimeout):
			err = l.main.SignalGroup(syscall.SIGKILL)
			<-l.main.Ended()
		}
	}
	l.clear()
	return err
}

// clear removes what is left once the main process has ended: its children, which without
// it do nothing sensible, and what prepare made.
func (l *life) clear() {
	if l.main != nil && !l.main.GroupEmpty() {
		_ = l.main.SignalGroup(syscall.SIGTERM)
		for end := time.Now().Add(groupTimeout); !l.main.GroupEmpty() && time.Now().Before(end); {
			time.Sleep(poll)
		}
		_ = l.main.SignalGroup(syscall.SIGKILL)
	}
	for _, c := range l.unit.StopPost {
		if err := l.command(context.Background(), c, l.unit.StopTimeout); err != nil {
			l.super.log.Warn("a command after a stop failed", "unit", l.unit.Name, "error", err)
		}
	}
	if l.notify != nil {
		l.notify.close()
	}
	if len(l.unit.Credentials) > 0 {
		_ = os.RemoveAll(l.credentialsDir())
	}
	if l.unit.RuntimeDir != "" {
		_ = os.RemoveAll(filepath.Join(l.super.run, l.unit.RuntimeDir))
	}
}
