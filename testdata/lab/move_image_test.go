package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/lab/debian"
)

// A boarding is what the steps of TestMoveImage share.
type boarding struct {
	*underway
	machine *Relay // where the package is
	box     *podman
}

// inside runs a command in the container.
const inside = "podman exec systemd-chatmaild "

// TestMoveImage moves a relay from its package into a container of Podman's and back, while
// its clients write to each other: nothing is lost, also not when the container ends in the
// middle. The machine that the container is on lets ssh run chatmaild in it, as
// chatmaild-operating(7) says.
func TestMoveImage(t *testing.T) {
	image, err := debian.Image()
	if err != nil {
		t.Fatal(err)
	}
	l, r := startRelay(t, "_box.test")
	sh(t, r, `mkdir /srv/pages; echo "the machine's" >/srv/pages/own.txt; echo 'www_folder = "/srv/pages"' >>`+configFile+`; chatmaild run --skip-dns-check`)
	b := &boarding{
		machine: r,
		box:     &podman{&Relay{Host: startPodman(t, l), Domain: r.Domain, lab: l}, "", "/etc/containers/systemd", "/var/lib/containers/storage"},
	}
	b.box.diagnose(t)
	ctx := deadline(t, installTimeout)
	sh(t, b.box, `mkdir /srv/pages; echo "the container's" >/srv/pages/own.txt`)
	if err := b.box.install(ctx, image, "/CHATMAIL_DOMAIN/d; s|^Network=|Volume=/srv/pages:/srv/pages:ro\\n&|"); err != nil {
		t.Fatal(err)
	}
	if err := b.box.systemctl(ctx, "start chatmaild.service"); err != nil {
		t.Fatal(err)
	}
	writeFile(t, b.box, "/usr/local/bin/chatmaild", 0o755, "#!/bin/sh\nexec podman exec -i systemd-chatmaild chatmaild \"$@\"\n")
	introduce(t, r, b.box.Relay)
	b.underway = startUnderwayOn(t, l, r)
	inTurn(t, b, []step[*boarding]{
		{"an empty container waits", (*boarding).waits},
		{"what cannot be there is refused", (*boarding).refuses},
		{"the container ends in the middle", (*boarding).breaksOff},
		{"move into the container", (*boarding).board},
		{"a restart of the container", (*boarding).restart},
		{"move back to the machine", (*boarding).leave},
		{"what has moved away stays off", (*boarding).staysOff},
	})
	b.stop()
	b.over.Wait()
	b.settle(t)
}

// healthy is what the container's health check says.
func (b *boarding) healthy(t *testing.T) string {
	t.Helper()
	return sh(t, b.box, inside+"chatmaild status --health")
}

// waits: there is no relay, which is no fault.
func (b *boarding) waits(t *testing.T) {
	contains(t, "the health check", b.healthy(t), "healthy; there is no relay here yet")
	sh(t, b.box, "systemctl is-active --quiet chatmaild && journalctl -u chatmaild | grep -q 'there is no relay here yet: set CHATMAIL_DOMAIN'")
	if _, err := b.box.Script(deadline(t, stepTimeout), inside+"chatmaild import --dry-run"); err == nil || !strings.Contains(err.Error(), "finding the Python relay") {
		t.Errorf("import without a Python relay: %v", err)
	}
}

// refuses a relay whose configuration names what is neither in the container nor can be made.
func (b *boarding) refuses(t *testing.T) {
	request := `{"id": "1", "config": "mail_domain = \"_box.test\"\nwww_folder = \"/srv/other\"\n"}`
	res, err := b.box.Exec(deadline(t, stepTimeout), strings.NewReader(request), "chatmaild", "restore", "--serve", "check")
	if err != nil || res.Code != 0 {
		t.Fatalf("check: %+v, %v", res, err)
	}
	contains(t, "the answer", res.Stdout, "chatmail.toml names /srv/other", "mount it into the container")
	contains(t, "the health check", b.healthy(t), "there is no relay here yet")
}

// breaksOff restarts the container when mail is off on both sides.
func (b *boarding) breaksOff(t *testing.T) {
	writeFile(t, b.machine, "/usr/local/bin/ssh", 0o755, fmt.Sprintf(brokenSSH, b.machine.PostfixUnit()))
	sh(t, b.machine, "echo off >/root/cut")
	res, err := b.machine.Exec(deadline(t, stepTimeout), nil, "chatmaild", "move", "root@podman")
	if err != nil || res.Code != 1 {
		t.Fatalf("move: %+v, %v", res, err)
	}
	contains(t, "move", res.Stderr, "copy the difference: ", "mail is off on both sides")
	sh(t, b.machine, "rm /root/cut")
	if err := b.box.systemctl(deadline(t, stepTimeout), "restart chatmaild.service"); err != nil {
		t.Fatal(err)
	}
	contains(t, "the health check", b.healthy(t), "healthy; there is no relay here yet")
}

func (b *boarding) board(t *testing.T) {
	b.move(t, b.machine, "chatmaild move root@podman", b.box.Relay)
	contains(t, "status in the container", sh(t, b.box, "chatmaild status"), b.box.Domain)
	contains(t, "run in the container", sh(t, b.box, "chatmaild run --skip-dns-check --dry-run"), "nothing to do")
	contains(t, "a page that is mounted", sh(t, b.box, inside+"cat /var/www/chatmaild/own.txt"), "the container's")
}

// move runs a command that moves the relay, and holds that what is written arrives then.
func (b *boarding) move(t *testing.T, from *Relay, command string, to *Relay) {
	t.Helper()
	start := time.Now()
	out, err := from.Script(deadline(t, installTimeout), command+" 2>&1")
	t.Logf("%s took %v:\n%s", command, time.Since(start).Round(100*time.Millisecond), out)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.publishAddresses(deadline(t, stepTimeout)); err != nil {
		t.Fatal(err)
	}
	t.Logf("text both ways %v after the move began", b.flows(t, start))
}

func (b *boarding) restart(t *testing.T) {
	if err := b.box.systemctl(deadline(t, stepTimeout), "restart chatmaild.service"); err != nil {
		t.Fatal(err)
	}
	t.Logf("text both ways %v after", b.flows(t, time.Now()))
}

// leave has the container move, by a key that it has made itself.
func (b *boarding) leave(t *testing.T) {
	key := sh(t, b.box, inside+"ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; "+inside+"cat /root/.ssh/id_ed25519.pub")
	writeFile(t, b.machine, "/root/.ssh/authorized_keys", 0o600, key)
	there := fmt.Sprintf("root@%v", b.machine.IPv4)
	sh(t, b.box, inside+"ssh -o StrictHostKeyChecking=accept-new "+there+" true")
	b.move(t, b.box.Relay, inside+"chatmaild move "+there, b.machine)
}

func (b *boarding) staysOff(t *testing.T) {
	if err := b.box.systemctl(deadline(t, stepTimeout), "restart chatmaild.service"); err != nil {
		t.Fatal(err)
	}
	contains(t, "the health check", b.healthy(t), "healthy", "this relay has moved to root@")
	res, err := b.box.Exec(deadline(t, stepTimeout), nil, "chatmaild", "run")
	if err != nil || res.Code != 1 {
		t.Fatalf("run: %+v, %v", res, err)
	}
	contains(t, "run", res.Stderr, "this relay has moved to root@")
	if res, err := b.box.Exec(deadline(t, stepTimeout), nil, "pgrep", "-x", "master|dovecot|nginx|doveauth|echobot"); err != nil || res.Code != 1 {
		t.Errorf("something runs: %+v, %v", res, err)
	}
}
