package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/testdata/lab/debian"
)

// podmanVolume is where Podman keeps what is in the volume of packaging/container.
const podmanVolume = "/var/lib/containers/storage/volumes/systemd-chatmaild/_data"

// TestPodman has Podman run the image as packaging/container/chatmaild.container says, below
// a machine's systemd, and its clients write to those of a usual relay.
func TestPodman(t *testing.T) {
	image, err := debian.Image()
	if err != nil {
		t.Fatal(err)
	}
	l, r := startRelay(t, "_relay.test")
	ctx := deadline(t, installTimeout)
	host := startHost(t, l, "podman")
	installPackages(ctx, t, host, debian.Podman)
	host.MayContain = true
	if err := host.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	p := &Relay{Host: host, Domain: "_podman.test", lab: l}
	t.Cleanup(func() {
		if t.Failed() {
			out, err := p.Script(context.WithoutCancel(t.Context()), "podman ps -a; journalctl --no-pager --unit=chatmaild.service")
			t.Log(out, err)
		}
	})
	for _, step := range []func() error{
		func() error { return p.publishAddresses(ctx) },
		func() error { return p.quadlet(ctx, image) },
		func() error {
			_, err := p.Script(ctx, "systemctl start chatmaild.service")
			return err
		},
		func() error { return p.publishKeyIn(ctx, podmanVolume+"/etc/dkimkeys") },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	alice := startProfile(t, l, "alice", r.SignUpQR())
	bob := startProfile(t, l, "bob", p.SignUpQR())
	both := join(t, bob, alice)
	both.text(t)

	ctx = deadline(t, stepTimeout)
	if _, err := p.Script(ctx, "podman healthcheck run systemd-chatmaild && podman exec systemd-chatmaild chatmaild status"); err != nil {
		t.Error(err)
	}
	if _, err := p.Script(ctx, "podman exec systemd-chatmaild touch /etc/x"); err == nil || !strings.Contains(err.Error(), "Read-only") {
		t.Errorf("writing to the root: %v", err)
	}
	if _, err := p.Script(ctx, "systemctl restart chatmaild.service"); err != nil {
		t.Fatal(err)
	}
	both.text(t)
	if _, err := p.Script(ctx, "systemctl stop chatmaild.service && ! systemctl is-failed chatmaild.service"); err != nil {
		t.Error(err)
	}
}

// quadlet gives Podman the image, and our quadlet with the domain that an operator writes
// into it. The machine's own servers leave it their ports. An overlay cannot lie over the lab's, and the lab's cgroups have no controller
// for a limit of processes.
func (r *Relay) quadlet(ctx context.Context, image string) error {
	module, err := debian.Checkout()
	if err != nil {
		return err
	}
	files := map[string]string{image: "/srv/image.oci.tar"}
	for _, name := range []string{"chatmaild.container", "chatmaild.volume"} {
		files[filepath.Join(module, "packaging/container", name)] = "/etc/containers/systemd/" + name
	}
	for from, to := range files {
		f, err := os.Open(from)
		if err != nil {
			return err
		}
		err = r.WriteFile(ctx, to, 0o644, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(image), "chatmaild_"), "_")
	_, err = r.Script(ctx, fmt.Sprintf(`systemctl mask --now dovecot nginx postfix
printf '[containers]\npids_limit = 0\n' >/etc/containers/containers.conf
mount -t tmpfs -o size=2g tmpfs /var/lib/containers
podman tag "$(podman pull --quiet oci-archive:/srv/image.oci.tar)" localhost/chatmaild:%s
sed -i 's/chat\.example\.org/%s/' /etc/containers/systemd/chatmaild.container
systemctl daemon-reload
systemctl start chatmaild-volume.service
mkdir -p %[3]s/etc/chatmail
printf 'mail_domain = "%[2]s"\n%[4]s\n' >%[3]s/etc/chatmail/chatmail.toml`, version, r.Domain, podmanVolume, testLoad))
	return err
}
