package host

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"chatmaild/applets/admin/desired"
	"chatmaild/packaging/dovecot"
)

// RequireDebian refuses a system that the configurations are not made for.
func (h Host) RequireDebian() error {
	text, err := os.ReadFile(h.path("/etc/os-release"))
	if err != nil {
		return fmt.Errorf("identifying the system: %w", err)
	}
	system := parseOSRelease(string(text))
	if _, ok := debian(system); ok {
		return nil
	}
	name := system["PRETTY_NAME"]
	if name == "" {
		name = "an unknown system"
	}
	return fmt.Errorf("this is %s; chatmaild configures Debian %d and %d only", name, desired.Bookworm, desired.Trixie)
}

// debian is the release of a system, if it is one that we configure.
func debian(system map[string]string) (desired.Release, bool) {
	n, err := strconv.Atoi(system["VERSION_ID"])
	r := desired.Release(n)
	return r, err == nil && system["ID"] == "debian" && (r == desired.Bookworm || r == desired.Trixie)
}

// Release is the version of Debian. A system that RequireDebian refuses is taken for
// the oldest.
func (h Host) Release() desired.Release {
	text, err := os.ReadFile(h.path("/etc/os-release"))
	if err != nil {
		return desired.Bookworm
	}
	if r, ok := debian(parseOSRelease(string(text))); ok {
		return r
	}
	return desired.Bookworm
}

// PostgreSQL is the version that the directory of accounts is in: the newest that run has
// configured; before that, Debian's own.
func PostgreSQL(h Host) desired.PostgreSQL {
	for _, v := range slices.Backward(desired.PostgreSQLs) {
		if h.IsFile(v.Conf()) {
			return v
		}
	}
	return h.Release().PostgreSQL()
}

// PostfixInstance is the unit that Postfix runs in.
func (h Host) PostfixInstance() string { return h.Release().PostfixInstance() }

// Dovecot is the version of the installed Dovecot.
func Dovecot(ctx context.Context, h Host) (dovecot.Version, error) {
	text, err := h.run(ctx, "/usr/sbin/dovecot", "--version")
	if err != nil {
		return dovecot.Version{}, fmt.Errorf("asking Dovecot for its version: %w", err)
	}
	v, err := dovecot.ParseVersion(text)
	if err != nil {
		return v, fmt.Errorf("asking Dovecot for its version: %w", err)
	}
	return v, nil
}

// parseOSRelease parses the assignments of os-release(5).
func parseOSRelease(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(key, "#") {
			values[key] = strings.Trim(value, `"'`)
		}
	}
	return values
}

// programs are the files by which we see that a package is there.
// Files, since dpkg's database says nothing of a server that was built by hand or came in
// another package.
var programs = []struct{ pkg, file string }{
	{"postfix", "/usr/sbin/postfix"},
	{"dovecot-core", "/usr/sbin/dovecot"},
	{"dovecot-imapd", "/usr/lib/dovecot/imap"},
	{"dovecot-lmtpd", "/usr/lib/dovecot/lmtp"},
	{"dovecot-core with its Lua push driver", "/usr/lib/dovecot/modules/lib22_push_notification_lua_plugin.so"},
	{"nginx", "/usr/sbin/nginx"},
	{"libnginx-mod-stream", "/usr/lib/nginx/modules/ngx_stream_module.so"},
}

// RequirePackages names the first package that is missing.
func (h Host) RequirePackages() error {
	for _, p := range programs {
		if _, err := os.Stat(h.path(p.file)); err != nil {
			return fmt.Errorf("the package %s is missing (there is no %s); install it with: apt install %s",
				p.pkg, p.file, strings.Fields(p.pkg)[0])
		}
	}
	return nil
}
