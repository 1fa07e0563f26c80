package lab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/packaging/gpg/gpgtest"
	"chatmaild/testdata/lab/debian"
	"chatmaild/testdata/lab/program"
)

// An archived relay was installed from an archive, and is upgraded from it.
type archived struct {
	*underway
	url, dir string // of the archive
	keyring  string
	program  string // the next version's
}

// nextTemplate is what the next version has in its template of nginx's configuration.
const nextTemplate = "# the template of 9.0.0"

// TestArchive installs a relay by the README's lines of apt. Real clients talk there while
// a new version is published, and the relay upgrades itself, as Debian's timers have it do
// each day: nobody is asked, no message is lost, and its new templates take effect, but
// where the operator has edited a file by hand.
func TestArchive(t *testing.T) {
	t.Parallel()
	a := &archived{url: "http://archive.test", dir: t.TempDir(), keyring: gpgtest.Keyring(t), program: nextProgram(t)}
	l, deb := newLab(t)
	a.underway = &underway{lab: l, deb: deb}
	a.serve(t)
	a.publish(t, deb)
	a.install(t)
	contains(t, "status", a.script(t, "chatmaild status || :"), "\nok     version")
	u := startUnderwayOn(t, l, a.relay)
	a.underway = u
	inTurn(t, a, []step[*archived]{
		{"a new version", (*archived).newVersion},
		{"needrestart", (*archived).needrestart},
		{"a configuration edited by hand", (*archived).editedByHand},
	})
	u.stop()
	u.over.Wait()
	u.settle(t)
}

// nextProgram builds chatmaild 9.0.0, in which one template is another.
func nextProgram(t *testing.T) string {
	t.Helper()
	root, err := debian.Checkout()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	template := filepath.Join(root, "packaging/nginx/nginx.conf.tmpl")
	text, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(dir, "nginx.conf.tmpl")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{template: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{changed: append(text, nextTemplate+"\n"...), filepath.Join(dir, "overlay.json"): overlay} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "chatmaild")
	if _, err := program.Run(t.Context(), "env", "CGO_ENABLED=0", "go", "build", "-C", root, "-trimpath", "-overlay", filepath.Join(dir, "overlay.json"),
		"-ldflags", "-s -w -X chatmaild/applets.version=9.0.0", "-o", binary, "."); err != nil {
		t.Fatal(err)
	}
	return binary
}

// serve has a web server of files alone hand out the archive.
func (a *archived) serve(t *testing.T) {
	t.Helper()
	s := addStation(t, a.lab, "archive")
	publish(t, a.lab, "archive.test", "A", s.IPv4.String())
	listener, err := s.Listen(80)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(a.dir)), ReadHeaderTimeout: time.Minute}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
}

// publish adds a package to the archive, as "make archive" does.
func (a *archived) publish(t *testing.T, deb string) {
	t.Helper()
	if _, err := program.Run(deadline(t, stepTimeout), "env", "GNUPGHOME="+a.keyring,
		"go", "run", "chatmaild/packaging/archive", "-dir", a.dir, "-url", a.url, "-key", gpgtest.Name, deb); err != nil {
		t.Fatal(err)
	}
}

// install makes a fresh Debian a relay by the lines of the README. Debian's own packages
// that they name are there before: the lab has no way to the outside.
func (a *archived) install(t *testing.T) {
	ctx := deadline(t, installTimeout)
	packages, err := debian.Unattended(ctx, t.Output(), a.lab.suite)
	if err != nil {
		t.Fatal(err)
	}
	host := startHost(t, a.lab, "archived")
	a.relay = &Relay{Host: host, Domain: "_archived.test", lab: a.lab}
	diagnose(t, a.relay)
	leader, err := a.relay.Leader()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(fmt.Sprintf("/proc/%d/root/srv/debian", leader), os.DirFS(packages)); err != nil {
		t.Fatal(err)
	}
	a.script(t, `rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/90yes
apt-get install --no-install-recommends /srv/debian/*.deb`)
	if err := a.relay.publishAddresses(ctx); err != nil {
		t.Fatal(err)
	}
	lines := strings.ReplaceAll(readmeInstall(t), "https://apt.example.org", a.url)
	lines = strings.ReplaceAll(lines, string(debian.Trixie), string(a.lab.suite))
	t.Logf("as the README says:\n%s", lines)
	a.script(t, lines)
	if err := a.relay.configure(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := a.relay.setUp(ctx); err != nil {
		t.Fatal(err)
	}
	if err := a.relay.publishKey(ctx); err != nil {
		t.Fatal(err)
	}
}

// readmeInstall are the lines of the README that install the package.
func readmeInstall(t *testing.T) string {
	t.Helper()
	root, err := debian.Checkout()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Install\n")
	_, section, _ = strings.Cut(section, "\n    ")
	lines, _, _ := strings.Cut(section, "    chatmaild init")
	return strings.ReplaceAll(lines, "    ", "")
}

// upgrade is what Debian's timers do each day, as if the last time was yesterday.
func (a *archived) upgrade(t *testing.T) {
	t.Helper()
	start := time.Now()
	a.script(t, `rm -f /var/lib/apt/periodic/*
systemctl start apt-daily-upgrade.service`)
	t.Logf("upgraded in %v", time.Since(start).Round(100*time.Millisecond))
}

// look is what the other timer does before: apt knows then what is in the archive.
func (a *archived) look(t *testing.T) {
	t.Helper()
	a.script(t, `rm -f /var/lib/apt/periodic/*
systemctl start apt-daily.service`)
}

func (a *archived) newVersion(t *testing.T) {
	const news = "chatmaild (9.0.0) bookworm; urgency=medium"
	a.publish(t, a.repack(t, "9.0.0", fmt.Sprintf(`install -m 755 '%s' "$1/usr/sbin/chatmaild"
changelog="$1/usr/share/doc/chatmaild/changelog.gz"
{ echo '%s'; gzip -dc "$changelog"; } | gzip -n >"$1/changelog"; mv "$1/changelog" "$changelog"`, a.program, news)))
	a.look(t)
	start := time.Now()
	contains(t, "status", a.status(t, "note   version"), "9.0.0 is in the archive")
	t.Logf("status took %v, of which apt's lists: %s", time.Since(start).Round(time.Millisecond),
		a.script(t, "s=$(date +%s%N); apt-cache policy chatmaild >/dev/null; echo $((($(date +%s%N) - s) / 1000000)) ms"))
	if out := a.script(t, "apt-get changelog chatmaild"); !strings.Contains(out, news) {
		t.Errorf("apt changelog:\n%s", out)
	}

	outside := addStation(t, a.lab, "outside")
	mail, err := a.relay.WatchMail(a.alice.Addr, a.bob.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer mail.Close()
	written, came := a.written(t, mail)
	// nginx is restarted, for its configuration is another: only mail comes by these ports.
	knocker := startKnocking(t, outside, a.relay.Domain, "25", "143", "465", "587", "993")
	old := a.script(t, daemonPIDs)
	a.upgrade(t)
	t.Logf("text both ways %v after", a.flows(t, time.Now()))
	if knocks, refused := knocker.end(); len(refused) > 0 {
		t.Errorf("%d of %d connections were refused: %s", len(refused), knocks, strings.Join(refused, "; "))
	}
	if got := a.script(t, installed); got != "9.0.0 install ok installed" {
		t.Fatalf("dpkg says %q; unattended-upgrades:\n%s", got, a.script(t, "cat /var/log/unattended-upgrades/*"))
	}
	if now := a.script(t, daemonPIDs); now == old {
		t.Errorf("the daemons are the same as before: %s", now)
	}
	contains(t, "nginx.conf", a.script(t, "cat /etc/nginx/nginx.conf"), "\n"+nextTemplate)
	contains(t, "the journal", a.script(t, "journalctl --identifier=chatmaild --output=cat"), "\n+"+nextTemplate+"\n", "restart nginx.service")
	contains(t, "status", a.status(t, "ok     version"), "9.0.0", "ok     configuration")
	writtenNow, cameNow := a.written(t, mail)
	if writtenNow-written != cameNow-came {
		t.Errorf("%d messages were written during the upgrade, and %d mails came:\n%s", writtenNow-written, cameNow-came, mail)
	}
	t.Logf("%d messages were written during the upgrade", writtenNow-written)
}

// needrestart has nothing to ask about the relay, but would have without our file.
func (a *archived) needrestart(t *testing.T) {
	const ours = "needrestart -b -r l 2>/dev/null | grep -E '^NEEDRESTART-SVC: (chatmaild|dovecot|postfix|nginx)' || :"
	if out := a.script(t, ours); out != "" {
		t.Errorf("needrestart asks about\n%s", out)
	}
	const file = "/etc/needrestart/conf.d/chatmaild.conf"
	if out := a.script(t, fmt.Sprintf("mv %[1]s /root; %[2]s; mv /root/chatmaild.conf %[1]s", file, ours)); !strings.Contains(out, "dovecot") {
		t.Errorf("without %s it asks about %q, want Dovecot, whose sessions have the former library", file, out)
	}
}

// editedByHand has the next upgrade leave alone what the operator has edited.
func (a *archived) editedByHand(t *testing.T) {
	const edit = "# by hand"
	a.script(t, fmt.Sprintf("sed -i 's/^%s$/%s/' /etc/nginx/nginx.conf; systemctl reload nginx", nextTemplate, edit))
	contains(t, "status", a.status(t, "note   configuration"), "edited by hand, so upgrades change no file: /etc/nginx/nginx.conf")
	a.publish(t, a.repack(t, "9.1.0", fmt.Sprintf(`install -m 755 '%s' "$1/usr/sbin/chatmaild"`, a.program)))
	a.look(t)
	a.upgrade(t)
	if got := a.script(t, installed); got != "9.1.0 install ok installed" {
		t.Fatalf("dpkg says %q; unattended-upgrades:\n%s", got, a.script(t, "cat /var/log/unattended-upgrades/*"))
	}
	if conf := a.script(t, "cat /etc/nginx/nginx.conf"); !strings.HasSuffix(conf, edit) {
		t.Errorf("nginx.conf was replaced:\n%s", conf)
	}
	contains(t, "the journal", a.script(t, "journalctl --identifier=chatmaild --output=cat --lines=5"), "edited by hand since chatmaild run wrote it: /etc/nginx/nginx.conf")
	t.Logf("text both ways %v after", a.flows(t, time.Now()))
	// The operator's word is the last.
	a.script(t, "chatmaild run --skip-dns-check")
	contains(t, "status", a.status(t, "ok     configuration"), "ok     version")
}
