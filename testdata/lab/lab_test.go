package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/machine"
	"chatmaild/testdata/lab/network"
)

// TestLab boots two bare hosts and looks at what everything else stands on:
// exit status and output of commands, names, the network between hosts, a
// reboot that keeps the disk, and that nothing is left in the end.
func TestLab(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	l, err := New(ctx, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error("closing:", err)
		}
		if err := leftovers(l); err != nil {
			t.Error(err)
		}
	}()
	one := startHost(t, l, "one")
	two := startHost(t, l, "two")
	if err := l.Zone.Add("two.test", "A", two.IPv4.String()); err != nil {
		t.Fatal(err)
	}

	res, err := one.Exec(ctx, strings.NewReader("in"), "sh", "-c", "cat; echo err >&2; exit 3")
	if err != nil || res.Stdout != "in" || res.Stderr != "err\n" || res.Code != 3 {
		t.Errorf("exec: got %+v, %v", res, err)
	}
	if name, err := one.Run(ctx, "hostname"); err != nil || name != "one\n" {
		t.Errorf("host name: got %q, %v", name, err)
	}
	const getent = "getent ahostsv4 two.test | head -n 1 | cut -d ' ' -f 1"
	if got, err := one.Script(ctx, getent); err != nil || strings.TrimSpace(got) != two.IPv4.String() {
		t.Errorf("two.test: got %q, %v", got, err)
	}
	if res, err := one.Exec(ctx, nil, "getent", "hosts", "nobody.test"); err != nil || res.Code != 2 {
		t.Errorf("nobody.test: got %+v, %v; want status 2, for not found", res, err)
	}

	writeFile(t, one, "/srv/kept", 0o600, "kept")
	start := time.Now()
	if err := one.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("rebooted in %v", time.Since(start).Round(time.Millisecond))
	if got, err := one.ReadFile(ctx, "/srv/kept"); err != nil || got != "kept" {
		t.Errorf("after a reboot: got %q, %v", got, err)
	}

	if err := two.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Run(ctx, "true"); !errors.Is(err, machine.ErrDown) {
		t.Errorf("on a killed host: got %v, want %v", err, machine.ErrDown)
	}
}

// leftovers is an error if anything of the lab is still there.
func leftovers(l *Lab) error {
	var found []string
	for _, pattern := range []string{
		network.Namespaces(l.ID),
		machine.Propagation(l.ID),
		l.dir,
	} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		found = append(found, names...)
	}
	if found != nil {
		return fmt.Errorf("left behind: %s", strings.Join(found, " "))
	}
	return nil
}
