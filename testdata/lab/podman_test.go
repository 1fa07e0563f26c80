package lab

import "testing"

// TestPodman has two relays without systemd in one lab: one by runc, the other by Podman with
// what its generator makes of our quadlet. Clients of the one and of the other write to each
// other, and both relays end in good order.
func TestPodman(t *testing.T) {
	image, err := Image()
	if err != nil {
		t.Fatal(err)
	}
	l, _ := newLab(t)
	ctx := deadline(t, installTimeout)
	if _, err := PodmanRoot(ctx, t.Output()); err != nil {
		t.Fatal(err)
	}
	runc, err := l.StartImage(ctx, Runc, "_runc.test", image, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	podman, err := l.StartPodman(ctx, "_podman.test", image)
	if err != nil {
		if podman != nil {
			podman.Diagnose(t.Output())
		}
		t.Fatal(err)
	}
	alice := startProfile(t, l, "alice", runc.SignUpQR())
	bob := startProfile(t, l, "bob", podman.SignUpQR())
	ctx = deadline(t, stepTimeout)
	chat, err := bob.SecureJoin(ctx, alice, nil)
	if err != nil {
		t.Fatal(err)
	}
	back, err := alice.ChatWith(ctx, bob)
	if err != nil {
		t.Fatal(err)
	}
	say(t, bob, chat, alice, "from Podman to runc")
	say(t, alice, back, bob, "and back")
	for name, c := range map[string]*Container{"runc": runc, "podman": podman} {
		if _, err := c.Run(ctx, "touch", "/etc/x"); err == nil {
			t.Errorf("%s: the root can be written to", name)
		}
		if status, err := c.Stop(ctx); err != nil || status != 0 {
			t.Errorf("%s: stopping: status %d, %v", name, status, err)
		}
	}
}
