package lab

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"chatmaild/testdata/lab/debian"
)

// A Cluster is one relay that is several machines, of which the first has the writer of the
// directory.
type Cluster struct {
	Domain   string
	Machines []*Relay        // called a, b, …
	Joins    []time.Duration // how long those after the first took to join
}

// StartCluster boots machines and makes them one relay, as chatmaild-cluster(7) says: the
// first is one, and then the others join it. The domain's name leads to the first. Those
// that were booted are in the Cluster also if there is an error.
func (l *Lab) StartCluster(ctx context.Context, domain, deb string, machines int, settings ...string) (*Cluster, error) {
	c := &Cluster{Domain: domain}
	for i := range machines {
		if err := c.add(ctx, l, deb); err != nil {
			return c, fmt.Errorf("machine %s: %w", c.Name(i), err)
		}
	}
	first := c.Machines[0]
	steps := []func() error{
		func() error { return first.publishAddresses(ctx) },
		func() error { return first.configure(ctx, settings) },
		func() error {
			_, err := first.Script(ctx, fmt.Sprintf("chatmaild run --skip-dns-check && chatmaild cluster init --name a --address %v", first.IPv4))
			return err
		},
	}
	for i := range machines - 1 {
		steps = append(steps, func() error { return c.join(ctx, 1+i) })
	}
	for i := range machines {
		steps = append(steps, func() error { return c.waitComplete(ctx, i) })
	}
	for _, step := range append(steps, func() error { return first.publishKey(ctx) }) {
		if err := step(); err != nil {
			return c, err
		}
	}
	return c, nil
}

// Name is how a machine is called among the others.
func (c *Cluster) Name(i int) string { return string(rune('a' + i)) }

// add boots a machine and installs what it needs.
func (c *Cluster) add(ctx context.Context, l *Lab, deb string) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	host, err := l.StartHost(ctx, "m"+c.Name(len(c.Machines)))
	if err != nil {
		return err
	}
	r := &Relay{Host: host, Domain: c.Domain, lab: l}
	c.Machines = append(c.Machines, r)
	if err := r.InstallDeb(ctx, deb); err != nil {
		return err
	}
	return InstallPackages(ctx, io.Discard, host, debian.PostgreSQL)
}

// join has a machine join the first one.
func (c *Cluster) join(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	r, first := c.Machines[i], c.Machines[0]
	if err := r.Introduce(ctx, first); err != nil {
		return err
	}
	start := time.Now()
	_, err := r.Script(ctx, fmt.Sprintf("chatmaild join --name %s root@%s", c.Name(i), first.Name))
	c.Joins = append(c.Joins, time.Since(start))
	return err
}

// waitComplete waits until a machine knows all of them.
func (c *Cluster) waitComplete(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	for {
		status, err := c.Machines[i].Script(ctx, "chatmaild cluster status --json")
		if err != nil || strings.Count(status, `"address"`) == len(c.Machines) {
			return err
		}
		select {
		case <-time.After(processPoll):
		case <-ctx.Done():
			return fmt.Errorf("machine %s does not know all others: %w", c.Name(i), ctx.Err())
		}
	}
}

// Introduce lets root of r log in at another host by ssh, under its name.
func (r *Relay) Introduce(ctx context.Context, to *Relay) error {
	key, err := r.Script(ctx, fmt.Sprintf(`mkdir -p -m 700 /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
printf 'Host %s\n HostName %v\n StrictHostKeyChecking accept-new\n' >/root/.ssh/config
cat /root/.ssh/id_ed25519.pub`, to.Name, to.IPv4))
	if err != nil {
		return err
	}
	return to.WriteFile(ctx, "/root/.ssh/authorized_keys", 0o600, strings.NewReader(key))
}
