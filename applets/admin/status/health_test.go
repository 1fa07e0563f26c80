package status

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host"
	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/admin/relocation"
	"chatmaild/applets/supervise/control"
)

// supervised is a machine whose units are those of a supervisor.
func supervised(t *testing.T, m *hosttest.Machine) host.Host {
	t.Helper()
	socket := filepath.Join(m.Root, control.Socket)
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		do := func(ctx context.Context, args []string) (string, error) { return m.Systemd(ctx, "systemctl", args...) }
		_ = control.Server{Do: do, Log: slog.New(slog.DiscardHandler)}.Serve(t.Context(), l)
	}()
	return host.Host{Tree: m.Tree}
}

// TestHealth holds that a container is well in which a relay is off on purpose: its runtime
// would end it otherwise.
func TestHealth(t *testing.T) {
	all := append(desired.MailUnits(), desired.Target)
	for _, tt := range []struct {
		name        string
		enabled     []string
		unsettled   bool
		supervised  bool
		want        level
		saying      string
		withoutConf bool
	}{
		{name: "it should run, and does not", enabled: all, supervised: true, want: trouble, saying: "inactive"},
		{name: "it is off", enabled: desired.MailUnits(), supervised: true, want: notice, saying: "relay: " + desired.Target + " is off until: chatmaild run"},
		{name: "mail is off", enabled: []string{desired.Target, desired.Dovecot}, supervised: true, want: notice, saying: desired.Postfix + " is off"},
		{name: "a part of it is here", enabled: all, unsettled: true, supervised: true, want: notice, saying: "a restore is not finished"},
		{name: "none is here", enabled: all, withoutConf: true, supervised: true, want: notice, saying: "there is no relay here yet"},
		{name: "systemd's is off", want: trouble, saying: "inactive"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := hosttest.Relay(t)
			for _, name := range tt.enabled {
				m.Enabled[name] = true
			}
			if tt.unsettled {
				if err := relocation.RestoreIn(m.Conf(), m.Host).Write(relocation.Restore{ID: "1"}); err != nil {
					t.Fatal(err)
				}
			}
			machine := m.Host
			if tt.supervised {
				machine = supervised(t, m)
			}
			env, out, _ := m.Env()
			env.ConfigPath = filepath.Join(m.Root, env.ConfigPath)
			if tt.withoutConf {
				env.ConfigPath += ".absent"
			}
			err := show(t.Context(), env, machine, form{health: true})
			if (err != nil) != (tt.want == trouble) || !strings.Contains(out.String(), tt.saying) {
				t.Errorf("got %v, %s; want %s, %q", err, out, tt.want, tt.saying)
			}
			if healthy := strings.HasPrefix(out.String(), "healthy"); healthy != (tt.want != trouble) {
				t.Errorf("it says: %s", out)
			}
		})
	}
}
