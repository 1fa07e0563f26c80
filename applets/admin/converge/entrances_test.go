package converge

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
)

// steps are what a plan does with filtermail-out, Postfix and what users' clients connect to.
func steps(todo *Plan) (list []string) {
	for _, s := range todo.Units {
		if strings.HasPrefix(s.Unit, "chatmaild-submission") || s.Unit == desired.FiltermailOut || s.Unit == desired.Postfix || s.Unit == desired.FormerAuthSocket {
			list = append(list, s.Verb+" "+s.Unit)
		}
	}
	return list
}

// TestEntrances holds that all of them are enabled before one is bound, that filtermail-out
// starts after them, and that one that is no longer wanted stays away after a reboot, too.
func TestEntrances(t *testing.T) {
	m := newMachine(t)
	for _, tt := range []struct {
		name, config string
		want         []string
	}{
		{"a new relay", "", []string{
			"enable chatmaild-submission.socket", "enable chatmaild-submissions.socket", "enable chatmaild-submissions-443.socket",
			"enable postfix.service", "start postfix.service",
			"start chatmaild-submission.socket", "start chatmaild-submissions.socket", "start chatmaild-submissions-443.socket",
			"enable chatmaild-filtermail-out.service", "start chatmaild-filtermail-out.service",
		}},
		{"nothing changes", "", nil},
		{"one comes", "websocket = true\n", []string{
			"enable chatmaild-submission-websocket.socket", "start chatmaild-submission-websocket.socket", "start chatmaild-filtermail-out.service",
		}},
		{"it goes", "", []string{"disable chatmaild-submission-websocket.socket", "stop chatmaild-submission-websocket.socket"}},
	} {
		todo, err := m.plan(underscore + tt.config)
		if err != nil {
			t.Fatal(err)
		}
		settle(todo)
		if got := steps(todo); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
		if err := todo.Apply(t.Context(), m.Host, t.Output()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPortsOfPostfix has Postfix of an earlier version give up the ports for users before they
// are bound, and the socket at which it checks logins end after that.
func TestPortsOfPostfix(t *testing.T) {
	m := startRelay(t)
	master, err := m.ReadFile(desired.PostfixMaster)
	if err != nil {
		t.Fatal(err)
	}
	m.Write(desired.PostfixMaster, string(master)+"587 inet n - y - 65 smtpd\n")
	for _, socket := range desired.SubmissionSockets() {
		delete(m.Active, socket)
		delete(m.Enabled, socket)
	}
	m.Active[desired.FormerAuthSocket] = time.Now()
	const held = "   0: 00000000:024B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0\n"
	m.Write("/proc/net/tcp", "  sl  local_address\n"+held)
	m.Write("/proc/300/comm", "master\n")
	m.Write("/proc/300/fd/0", "")
	if err := os.Symlink("socket:[77]", filepath.Join(m.Root, "/proc/300/fd/3")); err != nil {
		t.Fatal(err)
	}
	todo, err := m.plan(underscore)
	if err != nil {
		t.Fatal(err)
	}
	settle(todo)
	want := []string{
		"enable chatmaild-submission.socket", "enable chatmaild-submissions.socket", "enable chatmaild-submissions-443.socket",
		"reload postfix.service",
		"start chatmaild-submission.socket", "start chatmaild-submissions.socket", "start chatmaild-submissions-443.socket",
		"start chatmaild-filtermail-out.service", "stop chatmaild-auth-sasl.socket",
	}
	if got := steps(todo); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	gone, run := make(chan error, 1), m.Command
	m.Command = func(ctx context.Context, name string, args ...string) (string, error) {
		switch strings.Join(args, " ") {
		case "reload postfix.service":
			go func() {
				gone <- os.WriteFile(filepath.Join(m.Root, "/proc/net/tcp"), []byte("  sl  local_address\n"), 0o644)
			}()
		case "stop chatmaild-filtermail-out.service":
			if text, err := m.ReadFile("/proc/net/tcp"); err != nil || strings.Contains(string(text), held) {
				t.Errorf("Postfix has the port still, %v", err)
			}
		}
		return run(ctx, name, args...)
	}
	if err := errors.Join(todo.Apply(t.Context(), m.Host, t.Output()), <-gone); err != nil {
		t.Fatal(err)
	}
	bound := slices.Index(m.Did, "start chatmaild-submission.target")
	if bound < 0 || m.Did[bound-1] != "stop chatmaild-filtermail-out.service" {
		t.Errorf("they are not bound at once: %q", m.Did)
	}
}
