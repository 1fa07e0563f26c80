package supervise

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/applets/supervise/control"
	"chatmaild/applets/supervise/process"
	"chatmaild/applets/supervise/tmpfiles"
	"chatmaild/applets/supervise/unit"
)

// program is chatmaild itself, as the package installs it.
const program = "/usr/sbin/chatmaild"

// Command is chatmaild supervise.
var Command = command.Command{
	Name: "supervise", Kind: command.Admin, Args: "[start|stop|restart|reload UNIT ...]",
	Synopsis: "runs a whole relay in the foreground, without systemd",
	Description: `For containers. If there is no configuration, it writes one for the domain in
$CHATMAIL_DOMAIN, as init does. It does what run does, and keeps the relay's programs
running until SIGTERM: then mail in progress is delivered, and all of them end. It
logs to standard output; all other commands work beside it.

Without a configuration and $CHATMAIL_DOMAIN it waits for a relay that comes by
restore, import or move, and for run. So it does after a restore that was
interrupted, and for a relay that has moved away.

With a verb and units it asks the running one to do what systemctl would.

Exit status: 0 after SIGTERM; 1 if the relay could not be started; 2 if the
configuration is not valid; 3 after SIGTERM if a program had to be killed.`,
	Examples: command.Examples{
		{"supervise", "the relay of this container"},
		{"supervise restart postfix", "restart Postfix in a running container"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		draining := fs.Bool("drain", false, "have Postfix deliver what it has and accept no more; its unit uses this")
		return func(ctx context.Context, env *command.Env, args []string) error {
			switch {
			case *draining:
				return drain(ctx)
			case len(args) > 0:
				return ask(ctx, args)
			}
			return supervise(ctx, env)
		}
	},
}

// supervise runs the relay until ctx is done.
func supervise(ctx context.Context, env *command.Env) error {
	if os.Geteuid() != 0 {
		return command.NeedsRoot(fs.ErrPermission)
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		return command.WithHint(errors.New("systemd runs here, and keeps the relay running"), "chatmaild run")
	}
	unix.Umask(0o077)
	release, err := debian("/etc/os-release")
	if err != nil {
		return err
	}
	h := helpers{out: &output{w: env.Stdout}}
	if h.children, err = process.New(); err != nil {
		return err
	}
	conf, err := furnish(ctx, env, h)
	if err != nil {
		return err
	}
	s, err := newSupervisor(h, directories(release), "/run", filepath.Join(stateDir(conf), "supervise"))
	if err != nil {
		return err
	}
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	if err := s.out.journal(serving, filepath.Join(s.run, "systemd/journal/dev-log")); err != nil {
		return err
	}
	asked, stopAsked := context.WithCancel(serving)
	if err := s.listen(asked); err != nil {
		stopAsked()
		return err
	}
	failure := s.boot(ctx, conf)
	if failure == nil {
		service.Ready()
		<-ctx.Done()
		s.log.Info("stopping")
	}
	stopAsked()
	err = s.stopAll(serving)
	if failure == nil && errors.Is(err, errKilled) {
		return &command.StatusError{Err: err, Status: statusKilled}
	}
	if failure == nil && err == nil {
		s.log.Info("stopped")
	}
	return errors.Join(failure, err)
}

// boot starts the relay. One that is yet to come, by an admin command, is waited for.
func (s *Supervisor) boot(ctx context.Context, conf *config.Config) error {
	if conf == nil {
		s.log.Warn("there is no relay here yet: set CHATMAIL_DOMAIN for a new one, or bring one here by restore, import or move, and then: chatmaild run")
		return nil
	}
	// It knows what belongs to a relay, and in which order.
	if err := s.helper(ctx, "run", program, "run", "--boot"); err != nil {
		return err
	}
	s.log.Info("started", "domain", conf.MailDomain)
	return nil
}

// stateDir is the directory of the state of a relay, or of one that is yet to come.
func stateDir(conf *config.Config) string {
	if conf == nil {
		conf = config.Defaults()
	}
	return conf.StateDir
}

// statusKilled is the exit status if a program did not end by itself.
const statusKilled = 3

func newSupervisor(h helpers, dirs []string, run, stateDir string) (s *Supervisor, err error) {
	s = &Supervisor{
		helpers: h, dirs: dirs, run: run, stateDir: stateDir, began: now(),
		log:   service.NewLogger(h.out, slog.LevelInfo, false),
		units: map[string]*unit.Unit{}, parts: map[string]part{},
	}
	s.parts[journald] = &target{super: s, record: record{
		unit: &unit.Unit{Name: journald}, now: status{state: active, entered: s.began, changed: s.began},
	}}
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		return nil, fmt.Errorf("creating the directory of the supervisor's state: %w", err)
	}
	if s.disabled, err = readNames(filepath.Join(stateDir, "disabled")); err != nil {
		return nil, err
	}
	if s.alias, err = aliases(s.dirs); err != nil {
		return nil, err
	}
	s.activator, err = newActivator(s)
	return s, err
}

// ask has the supervisor that runs do something with units. As with systemctl(1), a name
// without a suffix is a service.
func ask(ctx context.Context, args []string) error {
	verb, units := args[0], slices.Clone(args[1:])
	if !slices.Contains([]string{"start", "stop", "restart", "reload"}, verb) {
		return command.Usagef("%s: want start, stop, restart or reload", verb)
	}
	if len(units) == 0 {
		return command.Usagef("missing UNIT")
	}
	for i, name := range units {
		if filepath.Ext(name) == "" {
			units[i] = name + ".service"
		}
	}
	_, err := control.Call(ctx, control.Socket, append([]string{verb}, units...))
	if errors.Is(err, fs.ErrNotExist) {
		return command.WithHint(err, "does systemd run here? Then: systemctl %s", strings.Join(args, " "))
	}
	return command.NeedsRoot(err)
}

// configurations of tmpfiles.d(5) that count here, as far as they are there: the first is an
// image's (packaging/container).
var configurations = []string{"chatmaild-image.conf", "chatmaild.conf"}

// directoriesOf makes what these configurations list.
func directoriesOf(ctx context.Context, h helpers) error {
	for _, name := range configurations {
		path := filepath.Join("/usr/lib/tmpfiles.d", name)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("creating runtime directories: %w", err)
		}
		entries, err := tmpfiles.Parse(string(text))
		for _, e := range entries {
			err = errors.Join(err, e.Create(func(from, to string) error {
				return h.helper(ctx, "tmpfiles", "/bin/cp", "--archive", "--no-target-directory", from, to)
			}))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// furnish makes what is on every machine before its services start, and returns the
// configuration: in a volume that is new, that of $CHATMAIL_DOMAIN, or nil without that.
func furnish(ctx context.Context, env *command.Env, h helpers) (*config.Config, error) {
	if err := directoriesOf(ctx, h); err != nil {
		return nil, err
	}
	_, err := os.Stat(config.DefaultPath)
	if domain := env.Getenv("CHATMAIL_DOMAIN"); domain != "" && errors.Is(err, fs.ErrNotExist) {
		if err := h.helper(ctx, "init", program, "init", domain); err != nil {
			return nil, err
		}
	}
	conf, err := env.Config()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return conf, err
}

// listen has admin commands be answered until ctx is done.
func (s *Supervisor) listen(ctx context.Context) error {
	if err := removeSocket(control.Socket); err != nil {
		return err
	}
	l, err := net.Listen("unix", control.Socket)
	if err != nil {
		return fmt.Errorf("listening for admin commands: %w", err)
	}
	go func() {
		if err := (control.Server{Do: s.systemctl, Log: s.log}).Serve(ctx, l); err != nil {
			s.log.Error("admin commands are not answered any more", "error", err)
		}
	}()
	return nil
}

// debian is the number of the Debian release, of os-release(5).
func debian(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("identifying the system: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_ID="); ok {
			return strings.Trim(id, `"`), nil
		}
	}
	return "", fmt.Errorf("%s does not say which Debian this is", path)
}
