// Command cluster measures what it takes that a relay is three machines:
//
//   - proxy: the time of a login and of a text, where another machine has the mailbox than the
//     one that the client connects to, against where it is the same;
//   - memory: that of sessions in IDLE, in the same two cases;
//   - logins: how many there are in a second if each of three machines is asked for a third of
//     them, two thirds of which are passed on, against one machine that has all mailboxes, and
//     which service uses its processor meanwhile.
//
// Each is a machine of one processor, by what it has seen when it was started: doveauth lets in
// so many logins a second for each processor, so that three do not need more of them than this
// machine has. They run on all of these. The clients speak SMTP and IMAP themselves and do no
// more than that, so that the times are the servers'. Rounds of both sides take turns; ratios
// count. Memory is the proportional set size of all processes of all services, on all three
// machines.
//
// Usage, from the top of the tree, as root: make deb bench-cluster, or
//
//	go run ./testdata/bench/cluster [-parts proxy,memory,logins] [-sessions 300] [-texts 100] [-logins 1000] [-rounds 3]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/machine"
	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/phone"
)

const (
	domain = "_many.test"
	// machines are as many as it takes for one to fail while accounts are created.
	machines = 3
	// size is the memory of each, in bytes.
	size = 4 << 30
	// timeout bounds the whole.
	timeout = 30 * time.Minute
)

// settings let one client do what otherwise many would.
var settings = []string{
	"max_user_send_per_minute = 1000000", "max_user_send_burst_size = 1000000",
	"max_network_registrations_per_hour = 1000000", "max_registrations_per_minute = 100000",
}

// options are the flags.
type options struct {
	parts                   string
	sessions, texts, logins int
	abreast, rounds         int
	rest                    time.Duration
}

// cluster is three machines, and where clients are.
type cluster struct {
	options
	*lab.Cluster
	outside network.Station
}

func main() {
	var o options
	flag.StringVar(&o.parts, "parts", "proxy,memory,logins", "what is measured")
	flag.IntVar(&o.sessions, "sessions", 300, "sessions in IDLE whose memory is measured")
	flag.IntVar(&o.texts, "texts", 100, "texts of a round, and logins one after the other")
	flag.IntVar(&o.logins, "logins", 1000, "logins of a round, as many as there can be in a second")
	flag.IntVar(&o.abreast, "abreast", 12, "how many log in at the same time")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each side")
	flag.DurationVar(&o.rest, "rest", 40*time.Second, "how long all rests before its memory is read")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	parts := map[string]func(context.Context, *cluster) error{"proxy": proxy, "memory": memory, "logins": logins}
	names := strings.Split(o.parts, ",")
	for _, name := range names {
		if parts[name] == nil {
			return fmt.Errorf("no part is called %q", name)
		}
	}
	deb, err := debian.Deb()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	l, err := lab.New(ctx, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	l.Limits = &machine.Limits{Memory: size, Processors: "0"}
	c := &cluster{options: o}
	if c.Cluster, err = l.StartCluster(ctx, domain, deb, machines, settings...); err == nil {
		c.outside, err = l.AddStation(ctx, "outside")
	}
	for _, r := range c.Machines {
		if err == nil {
			err = machine.SetProcessors(r.Host, fmt.Sprintf("0-%d", runtime.NumCPU()-1))
		}
	}
	for _, name := range names {
		if err == nil {
			err = parts[name](ctx, c)
		}
	}
	if err != nil && ctx.Err() == nil {
		for _, r := range c.Machines {
			r.Diagnose(os.Stderr)
		}
	}
	return err
}

// people makes n accounts, at home on the machines that homes names in turn, and returns their
// phones, which connect to the machine that via names for each. They have the password of the
// first account that there is.
func (c *cluster) people(ctx context.Context, name string, n int, homes string, via func(i int) int) ([]*phone.Phone, error) {
	first := c.Machines[0]
	if _, err := phone.New(ctx, c.outside, "leader000@"+domain); err != nil {
		return nil, fmt.Errorf("the first account: %w", err)
	}
	_, err := first.Script(ctx, fmt.Sprintf(`runuser -u postgres -- psql -q chatmaild -c "INSERT INTO accounts
		SELECT '%[1]s' || to_char(n, 'FM0000') || '@%[2]s', stored, true, substr('%[3]s', 1 + n %% %[4]d, 1), '', true
		FROM accounts, generate_series(0, %[5]d) AS n WHERE address = 'leader000@%[2]s'"`, name, domain, homes, len(homes), n-1))
	if err != nil {
		return nil, err
	}
	phones := make([]*phone.Phone, n)
	for i := range phones {
		phones[i] = phone.Of(c.outside, fmt.Sprintf("%s%04d@%s", name, i, domain))
		phones[i].Via = c.Machines[via(i)].IPv4.String()
	}
	// The first login makes the mailbox.
	return phones, phone.Each(n, c.abreast, func(i int) error {
		session, err := phones[i].Session(ctx)
		if err != nil {
			return fmt.Errorf("%s, first login: %w", phones[i].Addr, err)
		}
		return session.Close()
	})
}
