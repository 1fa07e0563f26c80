package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/testdata/lab/debian"
)

// TestPackage follows the package through its life: installed, it starts nothing
// and changes nobody's configuration; upgraded, no connection is refused; removed
// and purged, it leaves what cannot be made again.
func TestPackage(t *testing.T) {
	t.Parallel()
	l, deb := newLab(t)
	ctx := deadline(t, installTimeout)
	host := startHost(t, l, "package")
	r := &Relay{Host: host, Domain: "_package.test", lab: l}
	run := func(lines string) string {
		t.Helper()
		out, err := r.Script(ctx, lines)
		if err != nil {
			r.Diagnose(t.Output())
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s:\n got %q\nwant %q", what, got, want)
		}
	}
	const (
		configs = "find /etc/postfix /etc/dovecot /etc/nginx -type f -exec md5sum {} + | sort -k 2"
		active  = "systemctl list-units --plain --no-legend --state=active,activating,failed 'chatmaild*' | cut -d ' ' -f 1"
		failed  = "systemctl list-units --plain --no-legend --state=failed"
		pids    = "systemctl show --property=MainPID,NRestarts chatmaild-doveauth chatmaild-filtermail-in chatmaild-filtermail-out chatmaild-lastlogin chatmaild-metadata chatmaild-web"
	)

	// Debian's Postfix fails until it is configured.
	before, failedBefore := run(configs), run(failed)
	if err := r.InstallDeb(ctx, deb); err != nil {
		t.Fatal(err)
	}
	want("other packages' configurations after installing", run(configs), before)
	want("our units after installing", run(active), "")
	want("failed units after installing", run(failed), failedBefore)
	root, err := debian.Checkout()
	if err != nil {
		t.Fatal(err)
	}
	smoke, err := os.Open(filepath.Join(root, "debian", "tests", "smoke"))
	if err != nil {
		t.Fatal(err)
	}
	defer smoke.Close()
	if err := r.WriteFile(ctx, "/opt/smoke", 0o755, smoke); err != nil {
		t.Fatal(err)
	}
	run("/opt/smoke")
	run("systemctl start chatmaild.target")
	want("failed units after starting without a configuration", run(failed), failedBefore)

	if err := r.publishAddresses(ctx); err != nil {
		t.Fatal(err)
	}
	if err := r.configure(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.setUp(ctx); err != nil {
		t.Fatal(err)
	}
	first := run(pids)

	// A client connects all the time while the package is configured again, which
	// is what an upgrade does to the services.
	run(`cat > /opt/knock <<'EOF'
for n in $(seq 100000); do
	(exec 3<>/dev/tcp/127.0.0.1/10080) 2>/dev/null || echo refused >> /opt/knocks
	echo $n > /opt/knocked
	[ ! -e /opt/enough ] || break
done
EOF
systemd-run --quiet --unit=knock bash /opt/knock
until [ -s /opt/knocked ]; do sleep 0.1; done`)
	run("dpkg-reconfigure --frontend=noninteractive chatmaild")
	run("touch /opt/enough; while systemctl --quiet is-active knock; do sleep 0.1; done")
	want("refused connections during an upgrade", run("cat /opt/knocks 2>/dev/null | wc -l"), "0")
	if again := run(pids); again == first {
		t.Errorf("the daemons are the same after an upgrade: %s", again)
	}
	want("failed units after an upgrade", run(failed), "")

	kept := run("ls -d /etc/chatmail/chatmail.toml /etc/dkimkeys/*.private /home/vmail/mail/_package.test /var/lib/chatmaild/metadata/metadata.db")
	for _, command := range []string{"remove", "purge"} {
		run("dpkg --" + command + " chatmaild")
		want("our units after "+command, run(active), "")
		want("kept after "+command, run("ls -d "+strings.ReplaceAll(kept, "\n", " ")), kept)
		want("mailboxes' owner after "+command, run("stat -c %U /home/vmail/mail/_package.test"), "vmail")
	}
}
