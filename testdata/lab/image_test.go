package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
)

// TestImage has crun run the OCI image with a read-only root, and mail come and go between
// its clients and those of a usual relay while the image is exchanged, and the volume fills.
func TestImage(t *testing.T) {
	image, err := debian.Image()
	if err != nil {
		t.Fatal(err)
	}
	l, r := startRelay(t, "_relay.test")
	volume := smallVolume(t)
	c, err := l.StartImage(deadline(t, stepTimeout), "_box.test", image, volume, `min_free_disk_space = "10M"`, `max_message_size = 1048576`)
	t.Cleanup(func() {
		if t.Failed() && c != nil {
			c.Diagnose(t.Output())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	u := startUnderwayOn(t, l, c.Relay)
	carol := startProfile(t, l, "carol", r.SignUpQR())
	ctx := deadline(t, stepTimeout)
	chat := secureJoin(t, carol, u.alice, nil)
	back, err := u.alice.ChatWith(ctx, carol)
	if err != nil {
		t.Fatal(err)
	}
	abroad := func(text string) {
		t.Helper()
		say(t, carol, chat, u.alice, text)
		say(t, u.alice, back, carol, "yes, "+text)
	}
	abroad("hello")

	if _, err := c.Run(ctx, "touch", "/etc/x"); err == nil || !strings.Contains(err.Error(), "Read-only") {
		t.Errorf("writing to the root: %v", err)
	}
	if out := u.script(t, "chatmaild run --dry-run"); !strings.HasPrefix(out, "nothing to do") {
		t.Errorf("run --dry-run: %s", out)
	}

	// Another image, the same volume, under traffic.
	if status, err := c.Stop(ctx); err != nil || status != 0 {
		t.Errorf("stopping: status %d, %v", status, err)
	}
	if err := c.image.Pull(ctx, image); err != nil {
		t.Fatal(err)
	}
	if err := c.Boot(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("text both ways %v after an exchange of the image", u.flows(t, time.Now()))
	abroad("after the exchange")

	// Nothing is lost while the volume is full, and all goes on once it is not.
	full := filepath.Join(volume, "full")
	var st unix.Statfs_t
	if err := unix.Statfs(volume, &st); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(full)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize); err != nil {
		t.Fatal(err)
	}
	f.Close()
	n := len(u.sentBy(u.alice))
	if err := untilTrue(ctx, func() bool { return len(u.sentBy(u.alice)) >= n+3 }); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	t.Logf("text both ways %v after there is room again", u.flows(t, time.Now()))
	u.stop()
	u.over.Wait()
	u.settle(t)
	c.log(t, u)
}

// sentBy are the texts that a profile has sent.
func (u *underway) sentBy(p *core.Profile) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.sent[p]
}

// smallVolume is a file system that is soon full.
func smallVolume(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=300m,mode=755"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
