package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chatmaild/testdata/lab/machine"
	"chatmaild/testdata/lab/program"
)

// containerPoll is how often we look whether a relay without systemd is well.
const containerPoll = 100 * time.Millisecond

// A Container is a relay under "chatmaild supervise", in a plain container.
type Container struct {
	*Relay
	image *machine.Image // that it runs; nil of one in which the package was installed
}

// StartContainer makes a relay of a domain as StartRelay does, but in a container without
// systemd.
func (l *Lab) StartContainer(ctx context.Context, domain, deb string, settings ...string) (*Container, error) {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	h, err := l.addHost(ctx, label(domain))
	if err != nil {
		return nil, err
	}
	c := &Container{Relay: &Relay{Host: h, Domain: domain, lab: l}}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"adding its addresses to the DNS", c.publishAddresses},
		{"starting an empty container", func(context.Context) error { return c.StartPlain("sleep", "infinity") }},
		{"installing the package", func(ctx context.Context) error { return c.InstallDeb(ctx, deb) }},
		{"writing its config", func(ctx context.Context) error { return c.configure(ctx, settings) }},
		{"ending it", func(context.Context) error { return c.Kill() }},
		{"starting it as a relay", c.Boot},
		{"adding its DKIM key to the DNS", c.publishKey},
	} {
		fmt.Fprintf(l.log, "container %s: %s\n", domain, step.what)
		if err := step.do(ctx); err != nil {
			return c, fmt.Errorf("container %s: %s: %w", domain, step.what, err)
		}
	}
	return c, nil
}

// StartImage makes a relay of a domain from the OCI image, as a runtime does: with a root
// that is read-only, and a volume, in which the lines of settings are the configuration.
func (l *Lab) StartImage(ctx context.Context, domain, image, volume string, settings ...string) (*Container, error) {
	config := strings.Join(append([]string{fmt.Sprintf("mail_domain = %q", domain), testLoad}, settings...), "\n") + "\n"
	dir := filepath.Join(volume, "etc/chatmail")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "chatmail.toml"), []byte(config), 0o644)); err != nil {
		return nil, err
	}
	c, err := l.StartEmptyImage(ctx, domain, image, volume)
	if err == nil {
		err = errors.Join(c.publishAddresses(ctx), c.publishKey(ctx))
	}
	return c, err
}

// StartEmptyImage starts a container from the OCI image, and there is no relay in it unless
// one is in the volume. Its host is not called as that of StartRelay: a relay may go on in a
// container.
func (l *Lab) StartEmptyImage(ctx context.Context, domain, image, volume string) (*Container, error) {
	h, err := l.addHost(ctx, "image-"+label(domain))
	if err != nil {
		return nil, err
	}
	c := &Container{Relay: &Relay{Host: h, Domain: domain, lab: l}, image: &machine.Image{Host: h, Volume: volume}}
	if err := c.image.Pull(ctx, image); err != nil {
		return c, fmt.Errorf("container %s: %w", domain, err)
	}
	if err := c.Boot(ctx); err != nil {
		return c, fmt.Errorf("container %s: %w", domain, err)
	}
	return c, nil
}

// Boot starts the relay and waits until it says that it is well.
func (c *Container) Boot(ctx context.Context) error {
	start := c.supervise
	if c.image != nil {
		start = c.image.Start
	}
	if err := start(); err != nil {
		return err
	}
	for {
		res, err := c.Exec(ctx, nil, "chatmaild", "status", "--health")
		if err == nil && res.Code == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not well: %w: %s%s\n%s", ctx.Err(), res.Stdout, res.Stderr, c.Console())
		case <-c.Ended():
			return fmt.Errorf("it has ended:\n%s", c.Console())
		case <-time.After(containerPoll):
		}
	}
}

// supervise starts the relay in the plain container.
func (c *Container) supervise() error { return c.StartPlain("/usr/sbin/chatmaild", "supervise") }

// Diagnose writes what one wants to see after a failure.
func (c *Container) Diagnose(w io.Writer) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, command := range [][]string{{"chatmaild", "status"}, {"postqueue", "-p"}, {"ps", "-ef"}} {
		res, err := c.Exec(ctx, nil, command...)
		fmt.Fprintf(w, "--- %s: %s: %v\n%s%s", c.Domain, strings.Join(command, " "), err, res.Stdout, res.Stderr)
	}
	text, err := os.ReadFile(c.ConsolePath())
	fmt.Fprintf(w, "--- %s: console %v\n%s", c.Domain, err, program.Tail(string(text), 300))
}
