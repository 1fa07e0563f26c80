// Command demo starts a throw-away relay from the package in build/, lets two
// real Delta Chat clients talk through it, says how long each step took, and
// leaves it running until ^C. With DEMO_EXIT=1 it ends automatically.
//
// It takes the best way that the machine allows (lab.Way), or that in $DEMO.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"text/tabwriter"
	"time"

	"chatmaild/applets/command"
	"chatmaild/packaging/www/qrcode"
	"chatmaild/testdata/lab"
	"chatmaild/testdata/lab/core"
	"chatmaild/testdata/lab/debian"
)

const (
	domain = "_demo.test"

	// prepareTimeout is for cold caches and a slow line.
	prepareTimeout = 30 * time.Minute
	showTimeout    = 10 * time.Minute

	fileSize = 5 << 20
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	check := flag.Bool("check", false, "only say which way the demo takes on this machine")
	prepare := flag.Bool("prepare", false, "only fill the cache, in a user namespace; the demo uses this")
	flag.Parse()
	status, err := run(ctx, *check, *prepare)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		status = 1
	}
	os.Exit(status)
}

// run chooses the way, and shows the demo in it.
func run(ctx context.Context, check, prepare bool) (status int, err error) {
	way, err := lab.ChooseWay(ctx)
	if err != nil {
		return 1, err
	}
	if check {
		fmt.Printf("The demo needs 2 GB of disk, and a network for Debian's and npm's packages, once. Here it runs so: %v.\n", way)
		return 0, nil
	}
	if way == lab.Namespaces && !lab.Inside() {
		// The user who owns the cached root is root in there.
		if os.Geteuid() == 0 {
			err = get(ctx, way)
		} else {
			status, err = lab.Enter(ctx, true, "-prepare")
		}
		if err != nil || status != 0 {
			return status, err
		}
		return lab.Enter(ctx, false, os.Args[1:]...)
	}
	if prepare {
		return 0, get(ctx, way)
	}
	return 0, show(ctx, way)
}

// get installs what is missing and fills the cache.
func get(ctx context.Context, way lab.Way) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	suite, err := debian.ChosenSuite()
	if err != nil {
		return err
	}
	if way == lab.Machine {
		return lab.Prepare(ctx, os.Stdout, suite)
	}
	return lab.PrepareRelay(ctx, os.Stdout, suite)
}

func show(ctx context.Context, way lab.Way) (err error) {
	begin := time.Now()
	deb, err := debian.Deb()
	if err != nil {
		return err
	}
	if err := get(ctx, way); err != nil {
		return err
	}
	suite, err := debian.ChosenSuite()
	if err != nil {
		return err
	}
	l, err := lab.NewBy(ctx, os.Stdout, suite, way)
	if err != nil {
		return err
	}
	defer func() {
		fmt.Println("taking it down")
		err = errors.Join(err, l.Close())
	}()
	d := &demo{lab: l, way: way}
	show, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()
	if err := d.talk(show, deb); err != nil {
		if d.relay != nil && ctx.Err() == nil {
			d.relay.Diagnose(os.Stderr)
		}
		return err
	}
	if err := d.tell(show, os.Stdout); err != nil {
		return err
	}
	fmt.Printf("\nAll of that took %v.\n", time.Since(begin).Round(100*time.Millisecond))
	if os.Getenv("DEMO_EXIT") == "1" {
		return nil
	}
	fmt.Println("The relay runs until you press ^C.")
	<-ctx.Done()
	return nil
}

// A demo is a relay, two users, and how long each step took.
type demo struct {
	lab        *lab.Lab
	way        lab.Way
	relay      *lab.Relay
	alice, bob *core.Profile
	chat       uint32 // bob's with alice
	laps       []lap
}

type lap struct {
	what string
	took time.Duration
}

// step runs one part, with a line before it and its time in the table.
func (d *demo) step(what string, do func() error) error {
	fmt.Println(what, "…")
	start := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	d.laps = append(d.laps, lap{what, time.Since(start)})
	return nil
}

func (d *demo) talk(ctx context.Context, deb string) error {
	for _, s := range []struct {
		what string
		do   func() error
	}{
		{d.beginning() + ", installs " + filepath.Base(deb) + ", and becomes " + domain, func() error { return d.start(ctx, deb) }},
		{"two Delta Chat clients start", func() error { return d.clients(ctx) }},
		{"Alice signs up: her first login makes the account", func() error { return signUp(ctx, d.alice, d.relay) }},
		{"Bob signs up", func() error { return signUp(ctx, d.bob, d.relay) }},
		{"Bob scans Alice's QR code, and both have verified each other", func() (err error) {
			d.chat, err = d.bob.SecureJoin(ctx, d.alice, nil)
			return err
		}},
		{"a text from Bob reaches Alice", func() error { return d.say(ctx, d.bob, d.chat, d.alice, "Hello Alice!") }},
		{"her answer reaches Bob", func() error {
			chat, err := d.alice.ChatWith(ctx, d.bob)
			if err != nil {
				return err
			}
			return d.say(ctx, d.alice, chat, d.bob, "Hello Bob!")
		}},
		{"a file of 5 MB from Bob reaches Alice", func() error { return d.file(ctx) }},
	} {
		if err := d.step(s.what, s.do); err != nil {
			return err
		}
	}
	return nil
}

// beginning says how the relay starts.
func (d *demo) beginning() string {
	if d.way == lab.Machine {
		return "a Debian boots"
	}
	return "a Debian without systemd, in a " + map[lab.Way]string{lab.Namespaces: "container", lab.Directory: "directory"}[d.way]
}

func (d *demo) start(ctx context.Context, deb string) (err error) {
	if d.way == lab.Machine {
		d.relay, err = d.lab.StartRelay(ctx, domain, deb)
		return err
	}
	c, err := d.lab.StartContainer(ctx, domain, deb)
	if c != nil {
		d.relay = c.Relay
	}
	return err
}

func (d *demo) clients(ctx context.Context) error {
	for _, u := range []struct {
		name    string
		profile **core.Profile
	}{{"Alice", &d.alice}, {"Bob", &d.bob}} {
		client, err := d.lab.StartClient(ctx, u.name)
		if err != nil {
			return err
		}
		if *u.profile, err = client.NewProfile(ctx, u.name); err != nil {
			return err
		}
	}
	return nil
}

func signUp(ctx context.Context, p *core.Profile, r *lab.Relay) error {
	return p.SignUp(ctx, r.SignUpQR())
}

func (d *demo) say(ctx context.Context, from *core.Profile, chat uint32, to *core.Profile, text string) error {
	if _, err := from.SendText(ctx, chat, text); err != nil {
		return err
	}
	_, _, err := to.WaitText(ctx, text)
	return err
}

func (d *demo) file(ctx context.Context) error {
	content := make([]byte, fileSize)
	rand.Read(content)
	name, err := d.bob.Client.Share("holiday.bin", content)
	if err != nil {
		return err
	}
	if _, err := d.bob.SendFile(ctx, d.chat, name); err != nil {
		return err
	}
	_, err = d.alice.WaitFile(ctx, filepath.Base(name))
	return err
}

// tell prints the table of times and how to get at the relay.
func (d *demo) tell(ctx context.Context, w io.Writer) error {
	if err := d.lab.LetMachineIn(ctx); err != nil {
		return fmt.Errorf("making the relay reachable from this machine: %w", err)
	}
	code, err := qrcode.Encode(d.relay.SignUpQR())
	if err != nil {
		return err
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range d.laps {
		fmt.Fprintf(t, "  %s\t%8.3f s\n", l.what, l.took.Seconds())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	page := "The web page, from this machine (its certificate is self-signed):"
	if d.way == lab.Namespaces {
		page = "The web page, from within the namespace alone (its certificate is self-signed):"
	}
	_, err = fmt.Fprintf(w, `
%s
  https://%v/
A profile on this relay, for a Delta Chat that can reach %v as %s:
  %s
%s`, page, d.relay.IPv4, d.relay.IPv4, domain, d.relay.SignUpQR(), code.Text(command.IsTerminal(os.Stdout)))
	return err
}
