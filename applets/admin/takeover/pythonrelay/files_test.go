package pythonrelay

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// left is what a relay of the newest Python release has on its machine, and some of what
// older ones have left behind, from a reading of cmdeploy's deployers and their history;
// the units are those of its /etc/systemd/system.
var left = []string{
	"/etc/acme/hooks/nginx",
	"/etc/apt/apt.conf.d/00InstallRecommends",
	"/etc/apt/preferences.d/pin-dovecot",
	"/etc/chatmail-version",
	"/etc/dkimkeys/KeyTable",
	"/etc/dkimkeys/SigningTable",
	"/etc/dkimkeys/opendkim.private",
	"/etc/dkimkeys/opendkim.txt",
	"/etc/dovecot/auth.conf",
	"/etc/dovecot/dovecot.conf",
	"/etc/dovecot/push_notification.lua",
	"/etc/environment",
	"/etc/iroh-relay.toml",
	"/etc/mailname",
	"/etc/mtail/delivered_mail.mtail",
	"/etc/mtail/filtermail.mtail",
	"/etc/nginx/nginx.conf",
	"/etc/opendkim.conf",
	"/etc/postfix/lmtp_header_cleanup",
	"/etc/postfix/login_map",
	"/etc/postfix/main.cf",
	"/etc/postfix/master.cf",
	"/etc/postfix/smtp_tls_policy_map",
	"/etc/postfix/smtp_tls_policy_map.db",
	"/etc/postfix/submission_header_cleanup",
	"/etc/resolv.conf",
	"/etc/ssl/certs/mailserver.pem",
	"/etc/ssl/private/mailserver.key",
	"/etc/sysctl.conf",
	"/etc/systemd/journald.conf",
	"/etc/systemd/system/acmetool-reconcile.service",
	"/etc/systemd/system/acmetool-reconcile.timer",
	"/etc/systemd/system/acmetool-redirector.service",
	"/etc/systemd/system/chatmail-expire.service",
	"/etc/systemd/system/chatmail-expire.timer",
	"/etc/systemd/system/chatmail-fsreport.service",
	"/etc/systemd/system/chatmail-fsreport.timer",
	"/etc/systemd/system/chatmail-metadata.service",
	"/etc/systemd/system/doveauth.service",
	"/etc/systemd/system/dovecot.service.d/10_restart.conf",
	"/etc/systemd/system/filtermail-incoming.service",
	"/etc/systemd/system/filtermail-transport.service",
	"/etc/systemd/system/filtermail.service",
	"/etc/systemd/system/iroh-relay.service",
	"/etc/systemd/system/lastlogin.service",
	"/etc/systemd/system/mtail.service",
	"/etc/systemd/system/opendkim.service.d/10-prevent-memory-leak.conf",
	"/etc/systemd/system/postfix.service.d/10_restart.conf",
	"/etc/systemd/system/postfix@.service.d/10_restart.conf",
	"/etc/systemd/system/systemd-resolved.service",
	"/etc/systemd/system/tls-cert-reload.path",
	"/etc/systemd/system/tls-cert-reload.service",
	"/etc/systemd/system/turnserver.service",
	"/etc/systemd/system/websockify-imap.service",
	"/etc/systemd/system/websockify-submission.service",
	"/etc/unbound/unbound.conf.d/chatmail.conf",
	"/root/dovecot-core_2.3.21+dfsg1-3_amd64.deb",
	"/root/dovecot-imapd_2.3.21+dfsg1-3+chatmail2+deb13u1_arm64.deb",
	"/usr/lib/cgi-bin/newemail.py",
	"/usr/local/bin/chatmail-turn",
	"/usr/local/bin/filtermail",
	"/usr/local/bin/iroh-relay",
	"/usr/local/bin/mtail",
	"/usr/local/lib/chatmaild/chatmail.ini",
	"/usr/local/lib/chatmaild/dist/chatmaild-0.3.tar.gz",
	"/usr/local/lib/chatmaild/venv/bin/doveauth",
	"/var/lib/acme/conf/responses",
	"/var/lib/acme/conf/target",
	"/var/lib/acme/desired/chat.example.org",
	"/var/www/html/.well-known/autoconfig/mail/config-v1.1.xml",
	"/var/www/html/.well-known/mta-sts.txt",
	"/var/www/html/index.html",
}

// TestFilesAreAccountedFor has one fate for each file that a Python relay leaves.
func TestFilesAreAccountedFor(t *testing.T) {
	for _, name := range left {
		n := 0
		for _, f := range Files {
			for part := name; part != "/"; part = path.Dir(part) {
				if ok, err := path.Match(f.Path, part); err != nil {
					t.Fatal(err)
				} else if ok {
					n++
				}
			}
		}
		if slices.ContainsFunc(Units, func(u Unit) bool { return "/etc/systemd/system/"+u.Name == name }) {
			n++
		}
		if n != 1 {
			t.Errorf("%s has %d fates, want 1", name, n)
		}
	}
}

func TestFilesHaveReasons(t *testing.T) {
	for _, f := range Files {
		if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || (f.Why == "") != (f.Fate == Replaced) {
			t.Errorf("%+v: want a path, and a reason unless it is replaced", f)
		}
		// What is replaced or edited is kept before that.
		kept := slices.ContainsFunc(Configured, func(c string) bool { return f.Path == c || strings.HasPrefix(f.Path, c+"/") })
		if (f.Fate == Replaced || f.Fate == Edited) && !kept {
			t.Errorf("%s is %v, and nobody keeps what it was", f.Path, f.Fate)
		}
	}
}

func TestWithoutSysctls(t *testing.T) {
	const text = "kernel.x = 1\nfs.inotify.max_user_instances = 65535\nfs.inotify.max_user_watches=65535\nfs.inotify.max_user_watches = 500000\n#fs.inotify.max_user_watches=65535\nlast"
	const want = "kernel.x = 1\nfs.inotify.max_user_watches = 500000\n#fs.inotify.max_user_watches=65535\nlast"
	if got := WithoutSysctls(text); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
