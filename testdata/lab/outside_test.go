package lab

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatmaild/testdata/lab/network"
	"chatmaild/testdata/lab/program"
)

// outsider looks at a relay as "chatmaild test" does: from another machine, with
// the program of the package and nothing else.
type outsider struct {
	lab          *Lab
	relay, other *Relay
	station      network.Station
	roots        string // file with the authority that the relay's certificate is of
}

// fromOutside holds that "chatmaild test" is content with a relay as we install
// it, that it sees what is broken there and nothing else, and that "chatmaild
// run" fixes all that is on the relay. Other is a relay that takes mail from it.
func fromOutside(t *testing.T, l *Lab, relay *Relay, root string, other *Relay) {
	o := &outsider{lab: l, relay: relay, other: other, roots: filepath.Join(t.TempDir(), "roots.pem")}
	if err := os.WriteFile(o.roots, []byte(root), 0o644); err != nil {
		t.Fatal(err)
	}
	var err error
	ctx := deadline(t, stepTimeout)
	o.station = addStation(t, l, "outsider")
	answerForTest(t, l)
	whole := round{slow: true}
	o.look(t, whole)
	config, err := relay.ReadFile(ctx, configFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("by invite", func(t *testing.T) {
		defer o.mend(t, config)
		o.byInvite(t)
	})
	o.installWrongAuth(t)
	for _, r := range rounds(o.lab.suite) {
		t.Run(r.name, func(t *testing.T) {
			o.wreck(t, r)
			o.look(t, r)
			o.mend(t, config)
		})
	}
	o.look(t, whole)
}

// installWrongAuth puts the program wrongauth on the relay.
func (o *outsider) installWrongAuth(t *testing.T) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	file := filepath.Join(t.TempDir(), "wrongauth")
	if _, err := program.Run(ctx, "env", "CGO_ENABLED=0", "go", "build", "-o", file, "./wrongauth"); err != nil {
		t.Fatal(err)
	}
	program, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if err := o.relay.WriteFile(ctx, wrongAuthProgram, 0o755, program); err != nil {
		t.Fatal(err)
	}
}

// otherKey publishes a key that the relay does not sign with.
func (o *outsider) otherKey() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return o.lab.Zone.Set(selector+"._domainkey."+o.relay.Domain, "TXT", "v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(der))
}

func (o *outsider) wreck(t *testing.T, r round) {
	t.Helper()
	if r.zone != nil {
		if err := r.zone(o); err != nil {
			t.Fatal(err)
		}
	}
	for relay, lines := range map[*Relay]string{o.relay: r.lines, o.other: r.there} {
		if lines == "" {
			continue
		}
		sh(t, relay, lines)
	}
	if strings.HasSuffix(r.lines, restart) {
		o.serves(t)
	}
}

// serves waits until Postfix, nginx and Dovecot listen: systemd knows only when the
// last has been started.
func (o *outsider) serves(t *testing.T) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	for _, port := range []string{"25", "443", network.IMAPSPort} {
		until(ctx, t, "port "+port, func() bool {
			conn, err := o.station.DialContext(ctx, "tcp", net.JoinHostPort(o.relay.IPv4.String(), port))
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}
}

// fix does what an operator would.
func (o *outsider) mend(t *testing.T, config string) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	writeFile(t, o.relay, configFile, 0o644, config)
	sh(t, o.relay, `
	rm -rf /etc/chatmail-nocreate `+wrongAuthDropIn+`
	if rm -r /run/systemd/system/chatmaild-submission*.socket.d 2>/dev/null; then
		systemctl stop chatmaild-submission.socket chatmaild-submissions.socket
	fi
	systemctl daemon-reload
	chatmaild run --skip-dns-check
	systemctl restart chatmaild-doveauth chatmaild-filtermail-in chatmaild-filtermail-out`)
	if _, err := o.other.Run(ctx, "rm", "-f", "/etc/chatmail-nocreate"); err != nil {
		t.Fatal(err)
	}
	o.serves(t)
	if err := o.relay.publishAddresses(ctx); err != nil {
		t.Fatal(err)
	}
	if err := o.relay.publishKey(ctx); err != nil {
		t.Fatal(err)
	}
	// The other relay would give a host some rest that did not answer while it was broken.
	sh(t, o.other, "systemctl restart chatmaild-transport.service")
}

// run runs a command of chatmaild against the relay.
func (o *outsider) run(t *testing.T, command string, args ...string) program.Result {
	t.Helper()
	leader, err := o.relay.Leader()
	if err != nil {
		t.Fatal(err)
	}
	v4, _ := network.Resolver()
	res, err := program.Execute(deadline(t, stepTimeout), nil, "nsenter", slices.Concat([]string{
		"--net=" + o.station.Path(), "--", fmt.Sprintf("/proc/%d/root/usr/sbin/chatmaild", leader),
		command, "--json", "--resolver", v4.String(), "--ca", o.roots, o.relay.Domain,
	}, args)...)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// byInvite holds that a relay that asks for invites can be measured and tested with one
// of just so many uses, and not without.
func (o *outsider) byInvite(t *testing.T) {
	out := sh(t, o.relay, `
	chatmaild invite create --uses 8 --json
	echo 'registration = "invite"' >>`+configFile+`
	systemctl restart chatmaild-doveauth chatmaild-web`)
	var invite struct{ Token string }
	if err := json.Unmarshal([]byte(out), &invite); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	o.bench(t, "--accounts", "4", "--invite", invite.Token)
	o.look(t, round{alone: true, invite: invite.Token})
	res := o.run(t, "bench", "--invite", invite.Token)
	if res.Code != 1 || !strings.Contains(res.Stderr, "account 1 of 40: asking for it: 403 ") {
		t.Errorf("of an invite without a use left: exit status %d, %s", res.Code, res.Stderr)
	}
	o.look(t, round{alone: true, want: "new create push-token"})
}

// bench holds that the relay can be measured, whatever the figures.
func (o *outsider) bench(t *testing.T, args ...string) {
	page := filepath.Join(t.TempDir(), "page.html")
	res := o.run(t, "bench", append(args, "--messages", "8", "--level", "1s", "--html", page)...)
	type series struct {
		Count  int
		Median float64 `json:"p50_ms"`
	}
	var report struct {
		Connect, Login, Delivery series
		Levels                   []struct {
			Delivery series
			Missing  int
		}
	}
	if err := json.Unmarshal([]byte(res.Stdout), &report); err != nil {
		t.Fatalf("%v in %s%s", err, res.Stdout, res.Stderr)
	}
	if res.Code != 0 || report.Connect.Count != 8 || report.Login.Count != 4 || report.Delivery.Count != 8 || len(report.Levels) == 0 {
		t.Fatalf("exit status %d: %s%s", res.Code, res.Stdout, res.Stderr)
	}
	for _, l := range report.Levels {
		if l.Delivery.Count == 0 || l.Missing > 0 {
			t.Errorf("%d delivered, %d missing", l.Delivery.Count, l.Missing)
		}
	}
	t.Logf("connection %v ms, login %v ms, delivery %v ms", report.Connect.Median, report.Login.Median, report.Delivery.Median)
	text, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(text), "</html>") {
		t.Errorf("the page has %d bytes, %v", len(text), err)
	}
}

// look runs the test, and compares what it found.
func (o *outsider) look(t *testing.T, r round) {
	t.Helper()
	var args []string
	switch {
	case r.slow:
		args = append(args, "--timeout", "1m") // a flood slows the others down
	case r.want != "":
		args = append(args, "--timeout", "10s") // some of it is silent
	}
	if r.invite != "" {
		args = append(args, "--invite", r.invite)
	}
	if r.slow {
		args = append(args, "--slow")
	}
	if r.hidden {
		args = append(args, "--hidden")
	}
	if !r.alone {
		args = append(args, o.other.Domain)
	}
	res := o.run(t, "test", args...)
	var report struct {
		OK           bool
		Milliseconds int
		Checks       []struct{ Name, State, Seen string }
	}
	if err := json.Unmarshal([]byte(res.Stdout), &report); err != nil {
		t.Fatalf("%v in %s%s", err, res.Stdout, res.Stderr)
	}
	by := make(map[string][]string)
	for _, c := range report.Checks {
		by[c.State] = append(by[c.State], c.Name)
	}
	t.Logf("%d checks in %d ms", len(report.Checks), report.Milliseconds)
	failed, noted := strings.Join(by["failed"], " "), strings.Join(by["noted"], " ")
	if failed != r.want || noted != r.noted || report.OK != (r.want == "") || (res.Code == 0) != report.OK {
		t.Errorf("exit status %d, failed %q, want %q; noted %q, want %q", res.Code, failed, r.want, noted, r.noted)
		for _, c := range report.Checks {
			if c.State != "passed" {
				t.Logf("%s %s: %s", c.Name, c.State, c.Seen)
			}
		}
	}
}
