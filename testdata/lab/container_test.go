package lab

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/core"
)

// TestContainer has two real clients write to each other through a relay without systemd
// while its programs are killed, one after the other, and while it is stopped and started
// again.
func TestContainer(t *testing.T) {
	t.Parallel()
	l, deb := newLab(t)
	c, err := l.StartContainer(t.Context(), "_box.test", deb)
	t.Cleanup(func() {
		if t.Failed() && c != nil {
			c.Diagnose(t.Output())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	u := startUnderwayOn(t, l, c.Relay)
	for _, step := range []struct {
		name string
		do   func(*Container, *testing.T, *underway)
	}{
		{"it is as systemd's would be", (*Container).asConfigured},
		{"programs are killed", (*Container).kills},
		{"stop and start under way", (*Container).stops},
		{"mail is off across a restart", (*Container).off},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(c, t, u) }) {
			break
		}
	}
	u.stop()
	u.over.Wait()
	u.settle(t)
	c.log(t, u)
}

// asConfigured holds that nothing is left to do, and that users and privileges are those of
// the units.
func (c *Container) asConfigured(t *testing.T, u *underway) {
	if out := u.script(t, "chatmaild run --dry-run"); !strings.HasPrefix(out, "nothing to do") {
		t.Errorf("run --dry-run: %s", out)
	}
	out := u.script(t, `for p in doveauth filtermail-out metrics maillog; do
	pid=$(pgrep -o -x $p); echo $p $(stat -c %U /proc/$pid) $(grep -E '^(CapBnd|NoNewPrivs|CapEff):' /proc/$pid/status); done`)
	const none = " CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1\n"
	if want := "doveauth vmail" + none + "filtermail-out chatmaild-submission" + none + "metrics chatmaild" + none + "maillog UNKNOWN" + none; out != strings.TrimSpace(want) {
		t.Errorf("got %s want %s", out, want)
	}
}

// kills kills each program: it is there again, and what waited for it goes on. Process 1
// reaps what they leave behind.
func (c *Container) kills(t *testing.T, u *underway) {
	ctx := deadline(t, stepTimeout)
	programs := []string{
		"maillog", "doveauth", "metadata", "lastlogin", "filtermail-out", "filtermail-in", "web", "metrics", "echobot",
		"transport", "dovecot", "master", "nginx",
	}
	for _, p := range programs {
		before := strings.TrimSpace(u.script(t, "pgrep -o -x "+p))
		u.script(t, "kill -9 "+before)
		err := untilTrue(ctx, func() bool {
			res, err := c.Exec(ctx, nil, "sh", "-c", `now=$(pgrep -o -x "$0") && [ "$now" != "$1" ] && chatmaild status --health`, p, before)
			return err == nil && res.Code == 0
		})
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
	}
	t.Logf("text both ways %v after", u.flows(t, time.Now()))
	if out := u.script(t, "ps -eo stat,args | grep '^Z' || true"); out != "" {
		t.Errorf("not reaped: %s", out)
	}
	u.settle(t)
}

// untilTrue looks again and again.
func untilTrue(ctx context.Context, holds func() bool) error {
	for !holds() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(containerPoll):
		}
	}
	return nil
}

// stops ends the relay while messages are on their way.
func (c *Container) stops(t *testing.T, u *underway) {
	ctx := deadline(t, stepTimeout)
	start := time.Now()
	if status, err := c.Stop(ctx); err != nil || status != 0 {
		t.Fatalf("stopping: status %d, %v; console: %s", status, err, c.Console())
	}
	t.Logf("stopped in %v", time.Since(start).Round(time.Millisecond))
	start = time.Now()
	if err := c.Boot(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("well %v after the start", time.Since(start).Round(time.Millisecond))
	t.Logf("text both ways %v after", u.flows(t, time.Now()))
	u.settle(t)
}

// off holds that what an operator has stopped stays so.
func (c *Container) off(t *testing.T, u *underway) {
	c.restartOff(t, u)
	t.Logf("text both ways %v after", u.flows(t, time.Now()))
}

func (c *Container) restartOff(t *testing.T, u *underway) {
	ctx := deadline(t, stepTimeout)
	u.quiet.Lock()
	defer u.quiet.Unlock()
	u.script(t, "chatmaild run --disable-mail")
	if status, err := c.Stop(ctx); err != nil || status != 0 {
		t.Errorf("stopping: status %d, %v", status, err)
	}
	if err := c.supervise(); err != nil {
		t.Fatal(err)
	}
	// It listens for admin commands, and answers once it has started what it is to.
	err := untilTrue(ctx, func() bool {
		res, err := c.Exec(ctx, nil, "pgrep", "-x", "echobot")
		return err == nil && res.Code == 0
	})
	if err != nil {
		t.Fatal(err)
	}
	if res, err := c.Exec(ctx, nil, "pgrep", "-x", "master|dovecot"); err != nil || res.Code != 1 {
		t.Errorf("mail is on again: %+v, %v", res, err)
	}
	u.script(t, "chatmaild run")
}

// log holds that nothing of who writes is on standard output.
func (c *Container) log(t *testing.T, u *underway) {
	text, err := os.ReadFile(c.ConsolePath())
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for _, p := range []*core.Profile{u.alice, u.bob} {
		addresses, err := p.Addresses(deadline(t, stepTimeout))
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range addresses {
			name, _, _ := strings.Cut(address, "@")
			secrets = append(secrets, name)
		}
	}
	secrets = append(secrets, u.alice.Client.IPv4.String(), u.bob.Client.IPv4.String())
	for _, secret := range secrets {
		if strings.Contains(string(text), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
	if !regexp.MustCompile(`(?m)^log: .*postfix/qmgr.*from=<addr-`).Match(text) {
		t.Error("the log has nothing of Postfix")
	}
	if slices.Contains(secrets, "") {
		t.Errorf("no address, or no IP address, to look for: %q", secrets)
	}
}
