package lab

import (
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/debian"
)

// TestRehouse takes a relay from its package into a container of the image and back, by
// backup and restore, while its clients write to each other: nothing is lost.
func TestRehouse(t *testing.T) {
	image, err := debian.Image()
	if err != nil {
		t.Fatal(err)
	}
	volume := t.TempDir() // which goes after the container
	l, r := startRelay(t, "_box.test")
	u := startUnderwayOn(t, l, r)
	c, err := l.StartImage(deadline(t, installTimeout), "_box.test", image, volume)
	t.Cleanup(func() {
		if t.Failed() && c != nil {
			c.Diagnose(t.Output())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	// Its name in the DNS and its key are those of the container now, which nobody is to see yet.
	u.comeBack(t, r)
	for _, step := range []struct {
		name     string
		from, to *Relay
	}{
		{"from the package into a container", r, c.Relay},
		{"and back", c.Relay, r},
	} {
		if !t.Run(step.name, func(t *testing.T) { u.rehouse(t, step.from, step.to) }) {
			break
		}
	}
	u.stop()
	u.over.Wait()
	u.settle(t)
}

// rehouse has a relay go on elsewhere.
func (u *underway) rehouse(t *testing.T, from, to *Relay) {
	ctx := deadline(t, installTimeout)
	u.closeMail(t, from)
	res, err := from.Exec(ctx, nil, "chatmaild", "backup")
	if err != nil || res.Code != 0 {
		t.Fatalf("backup: %v, %s", err, res.Stderr)
	}
	fingerprint := `md5sum /etc/dkimkeys/*.private /etc/chatmail/chatmail.toml; ls /home/vmail/mail/_box.test; md5sum /home/vmail/mail/_box.test/*/password`
	before := sh(t, from, fingerprint)
	restored, err := to.Exec(ctx, strings.NewReader(res.Stdout), "chatmaild", "restore", "--overwrite", "-")
	if err != nil || restored.Code != 0 {
		t.Fatalf("restore: %v, %s%s", err, restored.Stdout, restored.Stderr)
	}
	if _, err := to.Run(ctx, "chatmaild", "run", "--skip-dns-check"); err != nil {
		t.Fatal(err)
	}
	if after, err := to.Script(ctx, fingerprint); err != nil || after != before {
		t.Errorf("what was restored is something else: %v\n%s", err, firstDifference(before, after))
	}
	u.comeBack(t, to)
	t.Logf("text both ways %v after the change", u.flows(t, time.Now()))
}

// closeMail turns mail off once the queue is empty: a backup has nothing of it. The clients
// keep what they write meanwhile.
func (u *underway) closeMail(t *testing.T, r *Relay) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	u.quiet.Lock()
	defer u.quiet.Unlock()
	err := untilTrue(ctx, func() bool {
		out, err := r.Run(ctx, "postqueue", "-j")
		return err == nil && out == ""
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(ctx, "chatmaild", "run", "--disable-mail"); err != nil {
		t.Fatal(err)
	}
}

// comeBack has the DNS lead to a relay, and commands go there.
func (u *underway) comeBack(t *testing.T, to *Relay) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	if err := to.publishAddresses(ctx); err != nil {
		t.Fatal(err)
	}
	if err := to.publishKey(ctx); err != nil {
		t.Fatal(err)
	}
	u.relay = to
}
