package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// podmanPackages are Debian's Podman, with both runtimes.
var podmanPackages = []string{"podman", "crun", "runc", "uidmap"}

// PodmanRoot returns the directory of a cached Debian with Podman, built first if need be.
// It is Debian 13's whatever the machine is: that of 12 reads no quadlet yet.
func PodmanRoot(ctx context.Context, w io.Writer) (string, error) {
	mirror := os.Getenv("CHATMAILD_LAB_MIRROR")
	return cached(ctx, "podman-"+fingerprint(rootVersion, mirror, strings.Join(podmanPackages, ",")), func(ctx context.Context, dir string) error {
		fmt.Fprintf(w, "building a Debian with Podman, once: %s\n", strings.Join(podmanPackages, " "))
		return buildRoot(ctx, dir, Trixie, podmanPackages, mirror)
	})
}

// podmanScript becomes a program of Podman's Debian, with /lab for what it shares with us.
// Arguments: the cached Debian, the container's directory, network namespace, then the program.
const podmanScript = `set -e
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
root=$1 dir=$2 netns=$3
shift 3
mkdir -p "$dir/podman/upper/lab" "$dir/podman/work" "$dir/podman/merged"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/podman/upper,workdir=$dir/podman/work" "$dir/podman/merged"
cd "$dir/podman/merged"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount --rbind "$dir/shared" lab
exec nsenter --net="$netns" -- chroot . "$@"`

// shared is the directory that Podman's programs see as /lab.
func (c *Container) shared(name string) string { return filepath.Join(c.dir, "shared", name) }

// podman is a command in Podman's Debian.
func (c *Container) podman(args ...string) *exec.Cmd {
	return exec.Command("unshare", append([]string{
		"-m", "--propagation", "private", "sh", "-c", podmanScript, "podman",
		c.podmanRoot, c.dir, netnsPath(c.netns),
	}, args...)...)
}

// podmanFlags are where Podman keeps what it has, and that there is no systemd around it.
var podmanFlags = []string{"--root=/lab/storage", "--runroot=/run/podman", "--cgroup-manager=cgroupfs", "--log-level=error"}

// pullPodman has Podman take the image over, and takes from its generator what systemd would
// run for packaging/container/chatmaild.container.
func (c *Container) pullPodman(ctx context.Context, image string) error {
	if err := os.MkdirAll(c.shared("quadlet"), 0o755); err != nil {
		return err
	}
	module, err := ModuleDir()
	if err != nil {
		return err
	}
	if _, err := run(ctx, "cp", image, c.shared("image.oci.tar")); err != nil {
		return err
	}
	for _, name := range []string{"chatmaild.container", "chatmaild.volume"} {
		if _, err := run(ctx, "cp", filepath.Join(module, "packaging/container", name), c.shared("quadlet")); err != nil {
			return err
		}
	}
	pulled, err := output(ctx, c.podman(append(append([]string{"podman"}, podmanFlags...), "pull", "--quiet", "oci-archive:/lab/image.oci.tar")...))
	if err != nil {
		return err
	}
	units, err := output(ctx, c.podman("env", "QUADLET_UNIT_DIRS=/lab/quadlet", "/usr/libexec/podman/quadlet", "-dryrun"))
	if err != nil {
		return err
	}
	c.podmanRun, err = podmanRun(units, c.Domain, strings.TrimSpace(pulled))
	return err
}

// podmanRun is the command of a generated unit, with the lab's domain, image and volume, and
// without systemd: in the foreground, outside of any unit's cgroup.
func podmanRun(units, domain, image string) ([]string, error) {
	for line := range strings.Lines(units) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "ExecStart=/usr/bin/podman run ")
		if !ok {
			continue
		}
		command = strings.NewReplacer(
			"--cidfile=%t/%N.cid ", "--pidfile=/lab/pid ", "systemd-%N", "relay", "--cgroups=split", "--cgroups=disabled", " -d ", " ",
			"systemd-chatmaild:/data", "/lab/volume:/data -v /lab/resolv.conf:/etc/resolv.conf:ro -v /lab/hosts:/etc/hosts:ro",
			"CHATMAIL_DOMAIN=chat.example.org", "CHATMAIL_DOMAIN="+domain,
			`"chatmaild status --health"`, "none", "localhost/chatmaild:0.2.0", image,
		).Replace(command)
		// The generator quotes nothing else.
		return append(append(append([]string{"podman"}, podmanFlags...), "run"), strings.Fields(command)...), nil
	}
	return nil, fmt.Errorf("Podman's generator makes nothing of the quadlet: %s", units)
}

func output(ctx context.Context, cmd *exec.Cmd) (string, error) {
	return run(ctx, cmd.Path, cmd.Args[1:]...)
}

// StartPodman is StartImage by Podman and its quadlet.
func (l *Lab) StartPodman(ctx context.Context, domain, image string) (*Container, error) {
	root, err := PodmanRoot(ctx, l.log)
	if err != nil {
		return nil, err
	}
	h, err := l.addUnbooted(ctx, "podman-"+hostLabel(domain))
	if err != nil {
		return nil, err
	}
	c := &Container{Relay: &Relay{Host: h, Domain: domain}, podmanRoot: root}
	c.volume = c.shared("volume")
	for _, do := range []func(context.Context) error{
		c.publishAddresses,
		func(context.Context) error { return c.writeConfig(nil) },
		func(ctx context.Context) error { return c.pullPodman(ctx, image) },
		func(ctx context.Context) error {
			_, err := run(ctx, "cp", filepath.Join(c.dir, "upper/etc/resolv.conf"), filepath.Join(c.dir, "upper/etc/hosts"), c.shared(""))
			return err
		},
		c.Boot,
		c.publishKey,
	} {
		if err := do(ctx); err != nil {
			return c, fmt.Errorf("container %s: %w", domain, err)
		}
	}
	return c, nil
}

// writeConfig writes the configuration into the volume.
func (c *Container) writeConfig(settings []string) error {
	config := strings.Join(append([]string{fmt.Sprintf("mail_domain = %q", c.Domain), testLoad}, settings...), "\n") + "\n"
	dir := filepath.Join(c.volume, "etc/chatmail")
	return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "chatmail.toml"), []byte(config), 0o644))
}
