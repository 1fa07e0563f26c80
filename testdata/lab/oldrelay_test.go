package lab

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/kit/pki"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/network"
)

const (
	oldDomain = "old.test"
	oldLib    = "/usr/local/lib/chatmaild"
	oldINI    = oldLib + "/chatmail.ini"
	oldBoxes  = "/home/vmail/mail/" + oldDomain
)

// oldINIText is the Python relay's configuration: values that differ from the
// defaults, keys that only it has, and one that nobody has.
const oldINIText = `[params]
mail_domain = ` + oldDomain + `

# the lab's machine is busy, and its sender is quick
max_load_1m = 100
max_user_send_per_minute = 6000
max_user_send_burst_size = 1000
max_mailbox_size = 300M
delete_mails_after = 40
min_free_disk_space = 0
min_available_memory = 0M
mtail_address = 127.0.0.1
passthrough_recipients = xstore@example.org
privacy_postal =
  Example Street 1
  Example Town
privacy_mail = privacy@example.org
no_such_key = 7
`

// oldUnits are units of the Python relay, by their true names, and what stands for
// their programs here: daemons of ours that speak as theirs do, at their sockets and
// ports, or something that only runs.
var oldUnits = []struct{ name, start, more string }{
	{"doveauth.service", "/usr/bin/python3 " + oldLib + "/doveauth.py " + oldDomain + " " + oldBoxes + " /run/doveauth/doveauth.socket", "RuntimeDirectory=doveauth"},
	{"lastlogin.service", "/usr/libexec/chatmaild/lastlogin --config " + oldLib + "/chatmail-lastlogin.toml", "RuntimeDirectory=chatmail-lastlogin"},
	{"chatmail-metadata.service", "/usr/libexec/chatmaild/metadata --config " + oldLib + "/chatmail-metadata.toml", "RuntimeDirectory=chatmail-metadata\nStateDirectory=old-metadata"},
	{"filtermail.service", "/usr/libexec/chatmaild/filtermail-out --config " + oldLib + "/doveauth.toml", ""},
	{"filtermail-incoming.service", "/usr/libexec/chatmaild/filtermail-in --config " + oldLib + "/doveauth.toml", ""},
	{"filtermail-transport.service", "/usr/local/bin/filtermail tcp:10082 tcp:10083", ""},
	{"echobot.service", "/bin/sleep infinity", ""},
	{"turnserver.service", "/usr/local/bin/chatmail-turn udp:3478", ""},
	{"iroh-relay.service", "/usr/local/bin/iroh-relay tcp:3340", ""},
	{"mtail.service", "/usr/local/bin/mtail tcp:3903", ""},
	{"acmetool-redirector.service", "/usr/bin/acmetool redirector", ""},
	{"chatmail-expire.service", "/bin/true", "Type=oneshot"},
	{"chatmail-expire.timer", "", "OnCalendar=*-*-* 00:02:00"},
	{"acmetool-reconcile.service", "/bin/true", "Type=oneshot"},
	{"acmetool-reconcile.timer", "", "OnCalendar=*-*-* 16:20:00"},
}

// oldRunning are those that run while the relay does.
var oldRunning = []string{
	"doveauth.service", "lastlogin.service", "chatmail-metadata.service", "filtermail.service", "filtermail-incoming.service",
	"filtermail-transport.service", "echobot.service", "turnserver.service", "iroh-relay.service", "mtail.service", "acmetool-redirector.service",
	"chatmail-expire.timer", "acmetool-reconcile.timer", "fcgiwrap.service", "opendkim.service", "dovecot.service", "postfix.service", "nginx.service",
}

// startOldRelay boots a machine as the Python relay leaves it: its files at their
// places, Debian's Postfix, Dovecot, nginx and OpenDKIM with configurations of its
// kind, and units by its names. The chatmaild package is installed, and does nothing.
func startOldRelay(t *testing.T, l *Lab, deb string) *Relay {
	t.Helper()
	ctx := deadline(t, installTimeout)
	host := startHost(t, l, "old")
	r := &Relay{Host: host, Domain: oldDomain, lab: l}
	diagnose(t, r)
	if err := r.publishAddresses(ctx); err != nil {
		t.Fatal(err)
	}
	if l.suite == debian.Trixie {
		if err := installFork(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	installPackages(ctx, t, host, debian.OpenDKIM)
	if err := r.InstallDeb(ctx, deb); err != nil {
		t.Fatal(err)
	}
	res, err := r.Exec(ctx, oldFiles(t), "tar", "--extract", "--directory=/")
	if err == nil {
		err = res.Failure("tar", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	running := strings.Join(oldRunning, " ")
	if _, err := r.Script(ctx, oldSetUp+"systemctl enable --quiet "+running+"\nsystemctl restart "+running); err != nil {
		t.Fatal(err)
	}
	if err := r.publishKey(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

// oldSetUp is what no file can say: owners, links, and where acmetool has its
// certificates (its SCHEMA.md).
const oldSetUp = `
install -d -o vmail -g vmail -m 700 ` + oldBoxes + `
chown -R opendkim: /etc/dkimkeys
install -d -o opendkim -g opendkim -m 750 /var/spool/postfix/opendkim
usermod --append --groups opendkim postfix
ln -s ../certs/abc /var/lib/acme/live/` + oldDomain + `
ln -s ../../keys/def/privkey /var/lib/acme/certs/abc/privkey
install -d -o postfix -m 700 /var/spool/postfix/private
useradd --system --user-group iroh
systemctl mask --quiet systemd-resolved.service
systemctl daemon-reload
`

func oldMode(name string) os.FileMode {
	switch {
	case strings.HasSuffix(name, ".private"), strings.HasSuffix(name, "/privkey"):
		return 0o600
	case strings.HasPrefix(name, "/usr/bin/"), strings.HasPrefix(name, "/usr/local/bin/"):
		return 0o755
	}
	return 0o644
}

// oldFiles are the files of the machine, as a tar archive.
func oldFiles(t *testing.T) io.Reader {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for name, text := range oldTexts(t) {
		err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(name, "/"), Size: int64(len(text)), Mode: int64(oldMode(name)), ModTime: time.Now()})
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &archive
}

// oldTexts are the files of the machine, by their paths.
func oldTexts(t *testing.T) map[string]string {
	t.Helper()
	cert, key := issued(t, oldDomain, "www."+oldDomain, "mta-sts."+oldDomain)
	_, account, err := pki.NewPEM("account")
	if err != nil {
		t.Fatal(err)
	}
	dkim, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		oldINI:                  oldINIText,
		oldLib + "/doveauth.py": oldDoveauth,
		"/etc/dkimkeys/opendkim.private": string(pem.EncodeToMemory(&pem.Block{
			Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(dkim),
		})),
		"/etc/dkimkeys/KeyTable":            fmt.Sprintf("opendkim._domainkey.%[1]s %[1]s:opendkim:/etc/dkimkeys/opendkim.private\n", oldDomain),
		"/etc/dkimkeys/SigningTable":        fmt.Sprintf("*@%[1]s opendkim._domainkey.%[1]s\n", oldDomain),
		"/var/lib/acme/live/README":         "certificates, by their names\n",
		"/var/lib/acme/certs/abc/fullchain": cert,
		"/var/lib/acme/keys/def/privkey":    key,
		"/var/lib/acme/accounts/acme-v02.api.letsencrypt.org%2fdirectory/0123/privkey": string(account),
		"/etc/cron.d/acmetool":     "20 16 * * * root /usr/bin/acmetool --batch reconcile\n",
		"/etc/chatmail-version":    "0123456789abcdef\n",
		"/etc/mailname":            oldDomain + "\n",
		"/var/www/html/index.html": "<h1>the Python relay</h1>\n",
		"/usr/bin/acmetool": "#!/usr/bin/perl\nuse IO::Socket::INET;\n" +
			"my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1:402', Listen => 5, ReuseAddr => 1) or die $!;\n" +
			"while (my $c = $s->accept) { close $c }\n",
		"/usr/lib/systemd/system/fcgiwrap.service": "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
	}
	maps.Copy(files, oldConfigs)
	maps.Copy(files, oldLeftovers)
	for _, u := range oldUnits {
		install := "multi-user.target"
		section, start := "Service", "ExecStart="+u.start+"\nRestart=always\nUser=vmail\n"
		switch {
		case strings.HasSuffix(u.name, ".timer"):
			section, start, install = "Timer", "", "timers.target"
		case strings.Contains(u.more, "oneshot"):
			start = "ExecStart=" + u.start + "\n"
		case strings.Contains(u.start, "acmetool"):
			start = "ExecStart=" + u.start + "\nRestart=always\n" // port 402 is root's
		}
		files["/etc/systemd/system/"+u.name] = fmt.Sprintf("[%s]\n%s%s\n[Install]\nWantedBy=%s\n", section, start, u.more, install)
	}
	for _, dir := range []string{"doveauth", "chatmail-lastlogin", "chatmail-metadata"} {
		files[oldLib+"/"+dir+".toml"] = fmt.Sprintf("mail_domain = %q\nruntime_dir = \"/run/%s\"\nstate_dir = \"/var/lib/old-metadata\"\n"+
			"max_load_1m = 100.0\nmin_free_disk_space = 0\nmin_available_memory = 0\n"+
			"max_user_send_per_minute = 6000\nmax_user_send_burst_size = 1000\n", oldDomain, dir)
	}
	return files
}

// issued is a certificate of an authority for some names, which is not due to be
// renewed, with that of the authority behind it, and its key.
func issued(t *testing.T, names ...string) (chain, key string) {
	t.Helper()
	authority, err1 := pki.New(nil, pki.Request{Names: []string{"authority.test"}})
	pair, err2 := pki.New(&authority, pki.Request{Names: names})
	root, _, err3 := pki.PEM(authority)
	cert, private, err4 := pki.PEM(pair)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	return string(cert) + string(root), string(private)
}

// awaitOldRelay waits until the old relay serves.
func awaitOldRelay(ctx context.Context, t *testing.T, r *Relay, s network.Station) {
	t.Helper()
	until(ctx, t, "the old relay to serve", func() bool {
		for _, port := range []string{network.IMAPSPort, network.SubmissionsPort} {
			conn, err := s.DialTLS(ctx, r.Domain+":"+port)
			if err != nil {
				return false
			}
			conn.Close()
		}
		return true
	})
}
