package lab

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// maxExposure is the highest exposure level that a unit of ours may have, as
// systemd-analyze(1) reckons it: 0 is best, 10 is a unit that says nothing.
const maxExposure = 2.0

// mayWrite are the directories in which a daemon can make or change files; the table
// in the README says why. All have a /tmp of their own, and a directory for their sockets.
var mayWrite = map[string]string{
	"doveauth":       "/home/vmail",
	"lastlogin":      "/home/vmail",
	"metadata":       "/var/lib/chatmaild/metadata",
	"porter":         "/home/vmail",
	"filtermail-in":  "",
	"filtermail-out": "",
	"web":            "/var/lib/chatmaild/invites",
	"metrics":        "",
	"transport":      "",
	"turn":           "",
	"iroh":           "",
	"websocket":      "",
	"maillog":        "",
	"queuewatch":     "",
	"echobot":        "/var/lib/chatmaild/echobot",
	"acme":           "/var/lib/chatmaild/acme",
}

// hardening looks at what systemd made of the units, and at every file of ours.
func (p *proof) hardening(t *testing.T) {
	t.Run("exposure", p.exposure)
	// As before the bot had a user of its own; "files" finds out whose they are now.
	p.script(t, "systemctl stop chatmaild-echobot.service && chown -R chatmaild: /var/lib/chatmaild/echobot && chatmaild run")
	t.Run("processes", p.processes)
	t.Run("files", p.files)
}

// hardening looks at a relay whose certificate comes from an authority.
func (p *plain) hardening(t *testing.T) {
	whole := &proof{lab: p.lab, relay: p.relay}
	t.Run("processes", whole.processes)
	t.Run("files", whole.files)
}

var (
	exposureLine = regexp.MustCompile(`Overall exposure level for (\S+): ([0-9.]+)`)
	groupsLine   = regexp.MustCompile(`(?m)^Groups:(.*)$`)
)

func (p *proof) exposure(t *testing.T) {
	units := strings.Fields(p.script(t, `systemctl list-unit-files --type=service --no-legend 'chatmaild-*' | cut -d ' ' -f 1`))
	if len(units) < 10 {
		t.Fatalf("got the units %q, want all of ours", units)
	}
	for _, unit := range units {
		m := exposureLine.FindStringSubmatch(p.script(t, "systemd-analyze security --no-pager %s", unit))
		if m == nil {
			t.Errorf("%s: systemd-analyze says nothing", unit)
			continue
		}
		if level, err := strconv.ParseFloat(m[2], 64); err != nil || level > maxExposure {
			t.Errorf("%s: exposure level %s, want at most %.1f", unit, m[2], maxExposure)
		}
		limits := p.script(t, "systemctl show --property=MemoryMax,TasksMax,LimitNOFILE %s", unit)
		for _, name := range []string{"MemoryMax", "TasksMax", "LimitNOFILE"} {
			if value := property(limits, name); value == "" || value == "infinity" {
				t.Errorf("%s: %s=%s, want a limit", unit, name, value)
			}
		}
	}
}

// processes looks at each running daemon of ours from outside, and then with its
// own eyes: in its mount namespace, as its user, at what it can write to.
func (p *proof) processes(t *testing.T) {
	running := strings.Fields(p.script(t, `systemctl list-units --type=service --state=running --plain --no-legend 'chatmaild-*' | cut -d ' ' -f 1`))
	if len(running) < 6 {
		t.Fatalf("got the running units %q, want all daemons of a relay without an authority", running)
	}
	for _, unit := range running {
		daemon := strings.TrimSuffix(strings.TrimPrefix(unit, "chatmaild-"), ".service")
		may, known := mayWrite[daemon]
		if !known {
			t.Errorf("%s: the table does not say where it may write", unit)
			continue
		}
		pid := p.script(t, "systemctl show --property=MainPID --value %s", unit)
		status := p.script(t, "cat /proc/%s/status", pid)
		for name, want := range map[string]string{"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"} {
			if got := field(status, name); got != want {
				t.Errorf("%s: %s: got %s, want %s", unit, name, got, want)
			}
		}
		uid, gid := field(status, "Uid"), field(status, "Gid")
		groups := "--clear-groups"
		if m := groupsLine.FindStringSubmatch(status); m != nil && strings.TrimSpace(m[1]) != "" {
			groups = "--groups=" + strings.Join(strings.Fields(m[1]), ",")
		}
		if uid == "0" || gid == "0" {
			t.Errorf("%s runs as root", unit)
		}
		// -writable asks the kernel, which knows of read-only mounts.
		found := p.script(t, `nsenter --target %s --mount -- setpriv --reuid %s --regid %s %s \
			find / \( -path /proc -o -path /sys \) -prune -o -writable \( -type d -o -type f \) -print 2>/dev/null || true`, pid, uid, gid, groups)
		for line := range strings.Lines(found) {
			name := strings.TrimSpace(line)
			if !within(name, append([]string{"/tmp", "/var/tmp", "/run/chatmaild/" + daemon}, strings.Fields(may)...)) {
				t.Errorf("%s can write to %s", unit, name)
			}
		}
		if may != "" && !strings.Contains(found, may) {
			t.Errorf("%s cannot write to %s, where its files are", unit, may)
		}
		p.secrets(t, unit, fmt.Sprintf("nsenter --target %s --mount -- setpriv --reuid %s --regid %s %s", pid, uid, gid, groups))
		t.Logf("%s: as %s, %s tasks, memory peak %s kB", unit, uid, field(status, "Threads"), field(status, "VmHWM"))
	}
}

// readers are those who may read a secret, by the users of the daemons. The table in the
// README says so too.
var readers = map[string][]string{
	"/home/vmail/mail/*/*/password":                     {"vmail"},
	"/var/lib/chatmaild/metadata/metadata.db":           {"vmail"},
	"/var/lib/chatmaild/turn/secret":                    {"vmail"},
	"/var/lib/chatmaild/invites/*":                      {"chatmaild", "vmail"},
	"/var/lib/chatmaild/echobot/*":                      {"chatmaild-echobot"},
	"/var/lib/chatmaild/echobot/keys/*":                 {"chatmaild-echobot"},
	"/var/lib/chatmaild/acme/*":                         {"chatmaild-acme"},
	"/var/lib/chatmaild/acme/*/*":                       {"chatmaild-acme"},
	"/etc/chatmail/tls/*.key":                           {},
	"/var/lib/chatmaild/submission/*":                   {"chatmaild-submission"},
	"/etc/dkimkeys/*.private":                           {},
	"/run/credentials/chatmaild-transport.service/dkim": {"chatmaild-transport"},
	"/var/backups/chatmaild/*":                          {},
}

// secrets looks, through a daemon's eyes, at who can read what only others may.
func (p *proof) secrets(t *testing.T, unit, eyes string) {
	user := p.script(t, "systemctl show --property=User --value %s", unit)
	found := p.script(t, `%s find /home/vmail /var/lib/chatmaild /etc/chatmail/tls /etc/dkimkeys /run/credentials /var/backups/chatmaild -type f -readable -print 2>/dev/null || true`, eyes)
	// The only secret of chatmaild, the invites, need not be there; maillog has none.
	own := user == "chatmaild" || user == "chatmaild-maillog"
	for line := range strings.Lines(found) {
		name := strings.TrimSpace(line)
		for pattern, users := range readers {
			if ok, _ := path.Match(pattern, name); !ok {
				continue
			}
			own = true
			if !slices.Contains(users, user) {
				t.Errorf("%s, as %s, can read %s", unit, user, name)
			}
		}
	}
	if !own {
		t.Errorf("%s, as %s, cannot read what is its own", unit, user)
	}
}

func within(name string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(f string) bool { return name == f || strings.HasPrefix(name, f+"/") })
}

// property is a line of systemctl show.
func property(text, name string) string {
	_, rest, _ := strings.Cut("\n"+text, "\n"+name+"=")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// field is the first value of a line of /proc/PID/status.
func field(text, name string) string {
	_, rest, _ := strings.Cut("\n"+text, "\n"+name+":")
	value := strings.Fields(rest)
	if len(value) == 0 {
		return ""
	}
	return value[0]
}

// An owned is what files and directories under a pattern of path.Match have to be.
// A type is find's: d for directories, f for files, s for sockets.
type owned struct{ pattern, want string }

// ours is every file of a relay outside of /usr, the first match deciding. What only one user may read is 0600.
var ours = []owned{
	{"/etc/chatmail", "root:root 755 d"},
	{"/etc/chatmail/chatmail.toml", "root:root 644 f"},
	{"/etc/chatmail/tls", "root:root 700 d"},
	{"/etc/chatmail/tls/*.key", "root:root 600 f"},
	{"/etc/chatmail/tls/*", "root:root 6[04][04] f"},
	{"/etc/dkimkeys", "root:root 700 d"},
	{"/etc/dkimkeys/*.private", "root:root 600 f"},
	{"/etc/postfix/chatmaild-*", "root:root 644 f"},
	{"/etc/dovecot/chatmaild-*", "root:root 644 f"},
	{"/run/chatmaild", "root:root 755 d"},
	{"/run/chatmaild/web.socket", "chatmaild:www-data 660 s"},
	{"/run/chatmaild/iroh.socket", "chatmaild:www-data 660 s"},
	{"/run/chatmaild/websocket.socket", "chatmaild:www-data 660 s"},
	{"/run/chatmaild/mxdeliv.socket", "vmail:www-data 660 s"},
	{"/run/credentials/chatmaild-*.service", "[cr]*:root 5[05]0 d"}, // root's in Debian 13, and an ACL lets the daemon in
	{"/run/chatmaild/metrics.socket", "chatmaild:www-data 660 s"},
	{"/run/chatmaild/auth-master.socket", "root:root 600 s"},
	{"/run/chatmaild/auth-userdb.socket", "vmail:vmail 600 s"},
	{"/run/chatmaild/auth-submission.socket", "chatmaild-submission:chatmaild-submission 600 s"},
	{"/run/chatmaild/maillog.socket", "root:root 600 s"},
	{"/run/chatmaild/*.socket", "vmail:dovecot 660 s"},
	{"/run/chatmaild/log", "root:root 755 d"},
	{"/run/chatmaild/log/dev-log", "root:root 666 s"},
	{"/run/chatmaild/log/log", "root:root 777 l"},
	{"/run/dovecot/login/chatmaild", "root:root 755 d"},
	{"/run/dovecot/login/chatmaild/login", "dovenull:dovenull 600 s"},
	{"/run/dovecot/quota-expire", "vmail:root 600 s"},
	{"/run/dovecot/stats-reader", "chatmaild:root 600 s"},
	{"/run/chatmaild/*", "[vc]*:* 750 d"},
	{"/run/chatmaild/*/metrics.socket", "[vc]*:* 6[06]0 s"},
	{"/run/chatmaild/transport/routes.socket", "chatmaild-transport:chatmaild-transport 6[06]0 s"},
	{"/var/lib/chatmaild", "root:root 755 d"},
	{"/var/lib/chatmaild/metadata", "vmail:vmail 700 d"},
	{"/var/lib/chatmaild/metadata/metadata.db", "vmail:vmail 600 f"},
	{"/var/lib/chatmaild/expire", "vmail:vmail 700 d"},
	{"/var/lib/chatmaild/expire/*", "vmail:vmail 6[04]0 f"},
	{"/var/lib/chatmaild/report*", "root:root 600 f"},
	{"/var/lib/chatmaild/turn", "vmail:vmail 700 d"},
	{"/var/lib/chatmaild/turn/secret", "vmail:vmail 600 f"},
	{"/var/lib/chatmaild/invites", "chatmaild:vmail 2750 d"},
	{"/var/lib/chatmaild/invites/*", "chatmaild:vmail 640 f"},
	{"/var/lib/chatmaild/submission", "root:chatmaild-certificate 2750 d"},
	{"/var/lib/chatmaild/submission/certificate.pem", "root:chatmaild-certificate 640 f"},
	{"/var/lib/chatmaild/echobot", "chatmaild-echobot:chatmaild-echobot 700 d"},
	{"/var/lib/chatmaild/echobot/*", "chatmaild-echobot:chatmaild-echobot [67][04][04] [df]"},
	{"/var/lib/chatmaild/echobot/*/*", "chatmaild-echobot:chatmaild-echobot 600 f"},
	{"/var/lib/chatmaild/acme", "chatmaild-acme:chatmaild-acme 700 d"},
	{"/var/lib/chatmaild/acme/live/privkey.pem", "chatmaild-acme:chatmaild-acme 600 f"},
	{"/var/lib/chatmaild/acme/*", "chatmaild-acme:chatmaild-acme [67][04][04] [df]"},
	{"/var/lib/chatmaild/acme/*/*", "chatmaild-acme:chatmaild-acme 6[04][04] f"},
	{"/home/vmail", "vmail:vmail 750 d"},
	{"/home/vmail/mail", "vmail:vmail 750 d"},
	{"/home/vmail/mail/*", "vmail:vmail 700 d"},
	{"/home/vmail/mail/*/.in-use", "vmail:vmail 640 f"},
	{"/home/vmail/mail/*/*", "vmail:vmail 700 d"},
	{"/home/vmail/mail/*/*/password", "vmail:vmail 600 f"},
	{"/var/backups/chatmaild", "root:root 7[05][05] d"},
	{"/var/www/chatmaild", "root:root 755 d"},
	{"/var/www/chatmaild/*", "root:root [67][45][45] [df]"},
	{"/var/www/chatmaild/*/*", "root:root [67][45][45] [df]"},
	{"/var/www/chatmaild/*/*/*", "root:root [67][45][45] [df]"},
}

// files walks over all that is ours, by place or by owner. /run/kept is what a
// test put aside.
func (p *proof) files(t *testing.T) {
	found := p.script(t, `find /etc/chatmail /etc/dkimkeys /etc/postfix /etc/dovecot /run /var /home -xdev -maxdepth 5 \
		\( -path /run/systemd -o -path /run/kept -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path '/var/backups/chatmaild/*' \) -prune -o \
		\( -path '/etc/chatmail*' -o -path '/etc/dkimkeys*' -o -name 'chatmaild*' -o -path '/*/chatmaild/*' -o -path '/var/lib/chatmaild*' \
		-o -user vmail -o -user chatmaild -o -user chatmaild-acme -o -user chatmaild-echobot -o -user chatmaild-submission \) -printf '%%u:%%g %%m %%y %%p\n'`)
	lines := strings.Split(found, "\n")
	if len(lines) < 20 {
		t.Fatalf("found too little:\n%s", found)
	}
	seen := map[string]bool{}
	for _, line := range lines {
		got, name, ok := cutLast(line)
		if !ok {
			t.Fatalf("find said %q", line)
		}
		// Dovecot makes what is inside of mailboxes, in directories that are closed.
		if deep, _ := path.Match("/home/vmail/mail/*/*/*", name); deep && path.Base(name) != "password" {
			continue
		}
		i := slices.IndexFunc(ours, func(o owned) bool { ok, _ := path.Match(o.pattern, name); return ok })
		if i < 0 {
			t.Errorf("%s %s: no file that we know", got, name)
			continue
		}
		seen[ours[i].pattern] = true
		if ok, _ := path.Match(ours[i].want, got); !ok {
			t.Errorf("%s: got %s, want %s", name, got, ours[i].want)
		}
	}
	for _, name := range []string{"/etc/chatmail/tls", "/var/lib/chatmaild/metadata/metadata.db", "/home/vmail/mail/*/*/password"} {
		if !seen[name] {
			t.Errorf("%s was not met", name)
		}
	}
	fmt.Fprintln(t.Output(), len(lines), "files and directories")
}

// cutLast cuts what stands before the name off a line of find.
func cutLast(line string) (got, name string, ok bool) {
	i := strings.Index(line, " /")
	if i < 0 {
		return "", "", false
	}
	return line[:i], line[i+1:], true
}
