package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/machine"
)

// A podman is a relay in a container of Podman, below a systemd: the machine's, or that of
// a user other than root.
type podman struct {
	*Relay
	as      string // what runs a command as the user
	quadlet string // the directory of packaging/container's files
	storage string // Podman's
}

// volume is what is in the volume of packaging/container.
func (p *podman) volume() string { return p.storage + "/volumes/systemd-chatmaild/_data" }

// TestPodman has Podman run the image as packaging/container/chatmaild.container says, below
// a machine's systemd and then that of a user other than root, and its clients write to those
// of a usual relay.
func TestPodman(t *testing.T) {
	image, err := debian.Image()
	if err != nil {
		t.Fatal(err)
	}
	l, r := startRelay(t, "_relay.test")
	host := startPodman(t, l)
	alice := startProfile(t, l, "alice", r.SignUpQR())
	for _, p := range []*podman{
		{
			&Relay{Host: host, Domain: "_podman.test", lab: l}, "", "/etc/containers/systemd", "/var/lib/containers/storage",
		},
		{
			&Relay{Host: host, Domain: "_rootless.test", lab: l}, "systemd-run --quiet --wait --pipe --uid=relay --setenv=XDG_RUNTIME_DIR=/run/user/$(id -u relay)",
			"/home/relay/.config/containers/systemd", "/home/relay/.local/share/containers/storage",
		},
	} {
		if !t.Run(label(p.Domain), func(t *testing.T) { p.serves(t, image, alice) }) {
			break
		}
	}
}

// startPodman boots a machine with Podman.
func startPodman(t *testing.T, l *Lab) *machine.Host {
	t.Helper()
	ctx := deadline(t, installTimeout)
	host := startHost(t, l, "podman")
	installPackages(ctx, t, host, debian.Podman)
	host.MayContain = true
	if err := host.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	// The machine's own servers leave the ports to the container.
	sh(t, host, "systemctl mask --now dovecot nginx postfix")
	return host
}

// diagnose shows what Podman and the machine say if the test has failed.
func (p *podman) diagnose(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			out, err := p.Script(context.WithoutCancel(t.Context()), p.as+" podman ps -a; journalctl --no-pager --lines=200")
			t.Log(out, err)
		}
	})
}

func (p *podman) serves(t *testing.T, image string, alice *core.Profile) {
	p.diagnose(t)
	ctx := deadline(t, installTimeout)
	for _, step := range []func() error{
		func() error { return p.publishAddresses(ctx) },
		func() error { return p.mayRun(ctx) },
		func() error { return p.install(ctx, image, "s/chat\\.example\\.org/"+p.Domain+"/") },
		func() error { return p.configure(ctx) },
		func() error { return p.systemctl(ctx, "start chatmaild.service") },
		func() error { return p.publishKeyIn(ctx, p.volume()+"/etc/dkimkeys") },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	bob := startProfile(t, p.lab, "bob-"+label(p.Domain), p.SignUpQR())
	both := join(t, bob, alice)
	both.text(t)

	inside := p.as + " " + inside
	if _, err := p.Script(ctx, p.as+" podman healthcheck run systemd-chatmaild && "+inside+"chatmaild status"); err != nil {
		t.Error(err)
	}
	if _, err := p.Script(ctx, inside+"touch /etc/x"); err == nil || !strings.Contains(err.Error(), "Read-only") {
		t.Errorf("writing to the root: %v", err)
	}
	if err := p.systemctl(ctx, "restart chatmaild.service"); err != nil {
		t.Fatal(err)
	}
	both.text(t)
	if err := p.systemctl(ctx, "stop chatmaild.service"); err != nil {
		t.Error(err)
	}
	if p.systemctl(ctx, "is-failed chatmaild.service") == nil {
		t.Error("it has failed")
	}
}

// systemctl talks to the systemd of the user.
func (p *podman) systemctl(ctx context.Context, words string) error {
	option := ""
	if p.as != "" {
		option = "--user "
	}
	_, err := p.Script(ctx, p.as+" systemctl "+option+words)
	return err
}

// mayRun does what chatmaild-operating(7) says of a user other than root. In the lab, the
// ports are a matter of the machine's network, and the kernel lets a user mount a /proc where
// nothing hides a part of another one, as it does in a machine that is a container itself.
func (p *podman) mayRun(ctx context.Context) error {
	if p.as == "" {
		return nil
	}
	if _, err := p.InNetns(ctx, "sysctl", "-w", "net.ipv4.ip_unprivileged_port_start=25"); err != nil {
		return err
	}
	_, err := p.Script(ctx, `useradd --create-home relay
systemd-run --quiet --wait --pipe loginctl enable-linger relay
systemctl start user@$(id -u relay).service
mkdir /srv/proc; mount -t proc proc /srv/proc`)
	return err
}

// install gives Podman the image, and our quadlet as an operator edits it with sed. An overlay
// cannot lie over the lab's, and the lab's cgroups have no controller for a limit of
// processes.
func (p *podman) install(ctx context.Context, image, edit string) error {
	module, err := debian.Checkout()
	if err != nil {
		return err
	}
	files := map[string]string{image: "/srv/image.oci.tar"}
	for _, name := range []string{"chatmaild.container", "chatmaild.volume"} {
		files[filepath.Join(module, "packaging/container", name)] = filepath.Join(p.quadlet, name)
	}
	for from, to := range files {
		if err := copyTo(ctx, p.Host, from, to); err != nil {
			return err
		}
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(image), "chatmaild_"), "_")
	if _, err = p.Script(ctx, fmt.Sprintf(`printf '[containers]\npids_limit = 0\n' >/etc/containers/containers.conf
mkdir -p %[1]s
mount -t tmpfs -o size=2g tmpfs %[1]s
sed -i '%[2]s' %[3]s/chatmaild.container
[ %[4]s = root ] || chown -R %[4]s: /home/%[4]s
%[5]s podman tag "$(%[5]s podman pull --quiet oci-archive:/srv/image.oci.tar)" localhost/chatmaild:%[6]s`,
		p.storage, edit, p.quadlet, p.owner(), p.as, version)); err != nil {
		return err
	}
	for _, words := range []string{"daemon-reload", "start chatmaild-volume.service"} {
		if err := p.systemctl(ctx, words); err != nil {
			return err
		}
	}
	return nil
}

// owner is the user whose files the container's are.
func (p *podman) owner() string {
	if p.as != "" {
		return "relay"
	}
	return "root"
}

// configure writes the configuration into the volume.
func (p *podman) configure(ctx context.Context) error {
	_, err := p.Script(ctx, fmt.Sprintf(`mkdir -p %[1]s/etc/chatmail
printf 'mail_domain = "%[2]s"\n%[3]s\n' >%[1]s/etc/chatmail/chatmail.toml
chown -R %[4]s: %[1]s/etc`, p.volume(), p.Domain, testLoad, p.owner()))
	return err
}
