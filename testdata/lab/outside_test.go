package lab

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// outsider looks at a relay as "chatmaild test" does: from another machine, with
// the program of the package and nothing else.
type outsider struct {
	lab          *Lab
	relay, other *Relay
	station      Station
	roots        string // file with the authority that the relay's certificate is of
}

// round is what is broken at one time, and how it is seen.
type round struct {
	name  string
	alone bool // without the other relay
	slow  bool
	zone  func(*outsider) error // changes the DNS
	lines string                // of sh, on the relay
	want  string                // the checks that fail, in their order
	noted string                // those that only take a note
}

// What a round does at its end, so that all servers know.
const restart = `
	systemctl restart postfix dovecot
	systemctl reload-or-restart nginx
	systemctl restart chatmaild-filtermail-in.service`

// rounds break what an operator can break. That each check can fail, alone, is
// shown by applets/admin/proof.
func rounds() []round {
	return []round{
		{
			name: "records, pages, headers",
			zone: func(o *outsider) error {
				o.lab.Zone.Remove(o.relay.Domain, "TXT")
				return errors.Join(o.lab.Zone.Set(o.relay.Domain, "MX", "10 elsewhere.test"), o.otherKey())
			},
			lines: `
	cd /var/www/chatmaild
	rm index.html .well-known/autoconfig/mail/config-v1.1.xml .well-known/mta-sts.txt
	: >/etc/postfix/chatmaild-submission.regexp
	systemctl stop chatmaild-metadata.socket chatmaild-metadata.service
	echo 'imap_capability = +XDELTAPUSH' >>/etc/dovecot/dovecot.conf
	postconf -P smtp/inet/smtpd_relay_restrictions=static:OK,reject 465/inet/message_size_limit=0
	echo 'dkim_verify = false' >>/etc/chatmail/chatmail.toml` + restart,
			want: "mx page autoconfig mta-sts capabilities metadata push-token subject-hidden client-hidden" +
				" too-large unsigned bad-signature open-relay to-other from-other",
			noted: "spf",
		},
		{
			name: "filters, TLS", alone: true,
			lines: `
	postconf -P 465/inet/smtpd_proxy_filter= 465/inet/smtpd_sender_restrictions= smtp/inet/smtpd_proxy_filter=
	postconf -e smtpd_tls_security_level=may smtpd_tls_auth_only=no
	printf '%s\n' 'ssl = yes' 'disable_plaintext_auth = no' 'ssl_min_protocol = TLSv1' 'ssl_cipher_list = ALL:@SECLEVEL=0' >>/etc/dovecot/dovecot.conf
	systemctl stop chatmaild-web.socket chatmaild-web.service
	sed -i '/\\bimap\\b/s/10993/8443/' /etc/nginx/nginx.conf` + restart,
			want: "tls-25 tls-143 tls-587 tls-993 starttls-25 starttls-143 starttls-587 new alpn-imap subject-hidden client-hidden" +
				" cleartext forged-from foreign-sender unsigned bad-signature cleartext-from-outside",
		},
		{
			name: "registration, names", alone: true,
			zone: func(o *outsider) error {
				o.lab.Zone.Remove("www."+o.relay.Domain, "")
				return o.lab.Zone.Set(selector+"._domainkey."+o.relay.Domain, "TXT", "v=DKIM1; k=rsa; p=")
			},
			lines: `touch /etc/chatmail-nocreate; postconf -MX 587/inet` + restart,
			want:  "dkim-key names port-587 new create push-token",
		},
		{
			name: "programs, certificate", alone: true,
			lines: `
	openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=elsewhere.test -addext subjectAltName=DNS:elsewhere.test \
		-keyout /etc/ssl/elsewhere.key -out /etc/ssl/elsewhere.pem 2>/dev/null
	printf '%s\n' 'ssl_cert = </etc/ssl/elsewhere.pem' 'ssl_key = </etc/ssl/elsewhere.key' >>/etc/dovecot/dovecot.conf` +
				restart + `
	systemctl stop nginx`,
			want:  "port-443 certificate-143 certificate-993",
			noted: "http",
		},
	}
}

// fromOutside holds that "chatmaild test" is content with a relay as we install
// it, that it sees what is broken there and nothing else, and that "chatmaild
// run" mends all that is on the relay. Other is a relay that takes mail from it.
func fromOutside(t *testing.T, l *Lab, relay *Relay, root string, other *Relay) {
	o := &outsider{lab: l, relay: relay, other: other, roots: filepath.Join(t.TempDir(), "roots.pem")}
	if err := os.WriteFile(o.roots, []byte(root), 0o644); err != nil {
		t.Fatal(err)
	}
	var err error
	ctx := deadline(t, stepTimeout)
	if o.station, err = l.AddStation(ctx, "outsider"); err != nil {
		t.Fatal(err)
	}
	// Who answers for .test: the domain's own servers are asked.
	v4, _ := addrs(bridgeAddr)
	if err := l.Zone.AddFile("test. NS ns.test.\nns.test. A " + v4.String() + "\n"); err != nil {
		t.Fatal(err)
	}
	whole := round{slow: true}
	o.look(t, whole)
	t.Run("bench", o.bench)
	config, err := relay.ReadFile(ctx, configFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rounds() {
		t.Run(r.name, func(t *testing.T) {
			o.wreck(t, r)
			o.look(t, r)
			o.mend(t, config)
		})
	}
	o.look(t, whole)
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
	if r.lines != "" {
		if _, err := o.relay.Script(deadline(t, stepTimeout), r.lines); err != nil {
			t.Fatal(err)
		}
	}
}

// mend does what an operator would.
func (o *outsider) mend(t *testing.T, config string) {
	t.Helper()
	ctx := deadline(t, stepTimeout)
	if err := o.relay.WriteFile(ctx, configFile, 0o644, strings.NewReader(config)); err != nil {
		t.Fatal(err)
	}
	if _, err := o.relay.Script(ctx, "rm -f /etc/chatmail-nocreate; chatmaild run --skip-dns-check; systemctl restart chatmaild-filtermail-in.service"); err != nil {
		t.Fatal(err)
	}
	if err := o.relay.publishAddresses(ctx); err != nil {
		t.Fatal(err)
	}
	if err := o.relay.publishKey(ctx); err != nil {
		t.Fatal(err)
	}
}

// run runs a command of chatmaild against the relay.
func (o *outsider) run(t *testing.T, command string, args ...string) Result {
	t.Helper()
	leader, err := o.relay.leader()
	if err != nil {
		t.Fatal(err)
	}
	v4, _ := addrs(bridgeAddr)
	res, err := runCommand(deadline(t, stepTimeout), nil, "nsenter", slices.Concat([]string{
		"--net=" + netnsPath(o.station.netns), "--", fmt.Sprintf("/proc/%d/root/usr/sbin/chatmaild", leader),
		command, "--json", "--resolver", v4.String(), "--ca", o.roots, o.relay.Domain,
	}, args)...)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// bench holds that the relay can be measured, whatever the figures.
func (o *outsider) bench(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.html")
	res := o.run(t, "bench", "--accounts", "4", "--messages", "8", "--level", "1s", "--html", page)
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
		t.Errorf("the page has %d octets, %v", len(text), err)
	}
}

// look runs the test, and compares what it found.
func (o *outsider) look(t *testing.T, r round) {
	t.Helper()
	var args []string
	if r.want != "" {
		args = append(args, "--timeout", "10s") // some of it is silent
	}
	if !r.alone {
		args = append(args, o.other.Domain)
	}
	if r.slow {
		args = append(args, "--slow")
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
