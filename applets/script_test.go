package applets

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"chatmaild/applets/command"
)

// TestMain lets the scripts call chatmaild, and each applet by its own name, as the
// symlinks in /usr/libexec/chatmaild do.
func TestMain(m *testing.M) {
	run := func() { os.Exit(Main(os.Args, OSEnv())) }
	commands := map[string]func(){"chatmaild": run}
	for _, c := range All() {
		commands[c.Name] = run
	}
	testscript.Main(m, commands)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "../testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("CHATMAIL_CONFIG", "chatmail.toml")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs a program and wants an exit status: exits N PROGRAM [ARG ...].
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N PROGRAM [ARG ...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("got the exit status %d, want %d", got, want)
	}
}

// TestWithoutConfig holds for every daemon and job, but that which reads none: without a
// configuration it ends with one line and the status on which systemd does not restart it.
func TestWithoutConfig(t *testing.T) {
	for _, c := range All() {
		if c.Kind == command.Admin || c.Name == "maillog" {
			continue
		}
		var out, report strings.Builder
		env := &command.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &report, Getenv: func(string) string { return "" }}
		args := []string{c.Name, "--config", "/nowhere/chatmail.toml"}
		if strings.Contains(c.Args, "ADDRESS") {
			args = append(args, "abc@chat.example.org")
		}
		got := dispatch(t.Context(), args, env)
		want := "chatmaild " + c.Name + ": /nowhere/chatmail.toml: there is no configuration; write one with: chatmaild init DOMAIN"
		if first, _, _ := strings.Cut(report.String(), "\n"); got != command.StatusUsage || first != want || out.Len() > 0 {
			t.Errorf("%s: got %d, %q and the output %q, want %d and %q", c.Name, got, first, out.String(), command.StatusUsage, want)
		}
	}
}
