package converge

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
)

// formerRelay is a machine whose mail OpenDKIM signs, as versions before had it.
func formerRelay(t *testing.T) *fakeMachine {
	t.Helper()
	m := startRelay(t)
	text, err := m.ReadFile(desired.PostfixMain)
	if err != nil {
		t.Fatal(err)
	}
	var former strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "default_transport") && !strings.HasPrefix(line, "outward_") {
			former.WriteString(line)
		}
	}
	m.Write(desired.PostfixMain, former.String()+"non_smtpd_milters = unix:opendkim/opendkim.sock\n")
	m.Write("/etc/opendkim.conf", "# Written by \"chatmaild run\" from x\nMode s\n")
	m.Write("/etc/dkimkeys/chatmaild.keytable", "x\n")
	now := time.Now()
	m.Active[openDKIM], m.Enabled[openDKIM] = now, true
	m.Active[desired.Bookworm.PostfixInstance()] = now
	for _, unit := range []string{desired.Transport, desired.TransportSocket} {
		delete(m.Active, unit)
	}
	m.Did = nil
	return m
}

// TestHandover follows the order of what is done: at no time does Postfix send unsigned what
// comes.
func TestHandover(t *testing.T) {
	m := formerRelay(t)
	var did []string
	run := m.Command
	m.Command = func(ctx context.Context, name string, args ...string) (string, error) {
		main, err := m.ReadFile(desired.PostfixMain)
		if err != nil {
			t.Error(err)
		}
		signs := ""
		if bytes.Contains(main, []byte("milter")) {
			signs += " OpenDKIM"
		}
		if bytes.Contains(main, []byte("default_transport")) {
			signs += " transport"
		}
		if name != "systemctl" || args[0] != "show" {
			did = append(did, name+" "+strings.Join(args, " ")+":"+signs)
		}
		return run(ctx, name, args...)
	}
	said, err := m.apply(underscore)
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for _, want := range []string{
		"systemctl start chatmaild-transport.socket: OpenDKIM",
		"systemctl start chatmaild-transport.service: OpenDKIM",
		"/usr/sbin/postfix reload: OpenDKIM transport",
		"systemctl reload postfix.service: transport",
		"systemctl restart chatmaild-filtermail-out.service: transport",
		"systemctl disable opendkim.service: transport",
		"systemctl stop opendkim.service: transport",
	} {
		i := slices.Index(did[next:], want)
		if i < 0 {
			t.Fatalf("no %q after the first %d of\n%s", want, next, strings.Join(did, "\n"))
		}
		next += i + 1
	}
	if !strings.Contains(said, "take signing over from OpenDKIM") || !strings.Contains(said, "stop and disable opendkim.service") {
		t.Errorf("it is not said: %s", said)
	}
	for _, path := range []string{"/etc/opendkim.conf", "/etc/dkimkeys/chatmaild.keytable"} {
		if there, err := m.Exists(path); err != nil || there {
			t.Errorf("%s is still there, %v", path, err)
		}
	}
	todo, err := m.plan(underscore)
	if err != nil || todo.handover != nil {
		t.Errorf("handed over twice, %v", err)
	}
}

// TestRetirement ends what an interrupted run left of an OpenDKIM that run configured, and no
// other.
func TestRetirement(t *testing.T) {
	for name, tt := range map[string]struct {
		conf string
		want bool
	}{
		"ours": {"# Written by \"chatmaild run\" from x\n", true}, "gone": {"", true}, "the operator's": {"Mode sv\n", false},
	} {
		m := startRelay(t)
		m.Active[openDKIM] = time.Now()
		if tt.conf != "" {
			m.Write("/etc/opendkim.conf", tt.conf)
		}
		todo, err := m.plan(underscore)
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(todo.Units, func(s UnitStep) bool { return s.Verb == "stop" && s.Unit == openDKIM }); got != tt.want {
			t.Errorf("%s: OpenDKIM is stopped: %v", name, got)
		}
	}
}
