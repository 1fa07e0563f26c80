package applets

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/packaging"
)

// These tests hold what the package ships against the table of applets and the
// configuration: neither can have what the other does not know.

func read(t *testing.T, elem ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{root}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// names returns the commands of the given kinds, sorted.
func names(kinds ...command.Kind) []string {
	var list []string
	for _, c := range All() {
		if slices.Contains(kinds, c.Kind) {
			list = append(list, c.Name)
		}
	}
	slices.Sort(list)
	return list
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

// matches returns the first group of each match of expr in text.
func matches(expr, text string) []string {
	var found []string
	for _, m := range regexp.MustCompile(expr).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

func TestNames(t *testing.T) {
	var all []string
	for _, c := range All() {
		if slices.Contains(all, c.Name) {
			t.Errorf("two commands are called %s", c.Name)
		}
		all = append(all, c.Name)
		if c.Synopsis == "" || strings.HasSuffix(c.Synopsis, ".") || c.Bind == nil {
			t.Errorf("%s: want a synopsis without a full stop, and something to run", c.Name)
		}
	}
	// The names that are promised to operators.
	for _, name := range strings.Fields(`filtermail-out filtermail-in doveauth metadata lastlogin echobot web acme
		metrics expire quota-expire init run status dns test bench webdev import`) {
		if !slices.Contains(all, name) {
			t.Errorf("nothing is called %s", name)
		}
	}
}

func TestLinks(t *testing.T) {
	links := read(t, "debian", "chatmaild.links")
	same(t, "debian/chatmaild.links", matches(`(?m)^usr/sbin/chatmaild usr/libexec/chatmaild/(\S+)$`, links),
		names(command.Daemon, command.Oneshot))
}

func TestServices(t *testing.T) {
	for _, name := range names(command.Daemon) {
		unit := read(t, "packaging", "systemd", "chatmaild-"+name+".service")
		for _, line := range []string{"Type=notify", "ExecStart=/usr/libexec/chatmaild/" + name} {
			if !strings.Contains(unit, "\n"+line+"\n") {
				t.Errorf("chatmaild-%s.service: want the line %s", name, line)
			}
		}
	}
	common := read(t, "packaging", "systemd", "chatmaild-.service.d", "10-common.conf")
	if line := fmt.Sprintf("\nRestartPreventExitStatus=%d\n", command.StatusUsage); !strings.Contains(common, line) {
		t.Errorf("10-common.conf: want the line %s", line)
	}
	paths, err := filepath.Glob(filepath.Join(root, "packaging", "systemd", "*.service"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, path := range paths {
		got = append(got, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "chatmaild-"), ".service"))
	}
	// quota-expire is Dovecot's to start.
	same(t, "services", got, append(names(command.Daemon), "expire", "certificate", "clock", "queuewatch", "chatmail-cluster"))
}

func TestSockets(t *testing.T) {
	defaults := config.Defaults()
	want := map[string]string{
		"filtermail-out": fmt.Sprintf("127.0.0.1:%d", defaults.FiltermailSMTPPort),
		"filtermail-in":  fmt.Sprintf("127.0.0.1:%d", defaults.FiltermailSMTPPortIncoming),
		"echobot":        "", // it listens nowhere
		"doveauth":       "", // it has several, with names of their own
		"porter":         "", // it listens at an address of the configuration
		"transport":      "/var/spool/postfix/private/transport",
		"turn":           fmt.Sprintf("[::]:%d", config.TurnPort),
		"acme":           fmt.Sprintf("127.0.0.1:%d", config.ACMEPort),
	}
	for _, name := range names(command.Daemon) {
		listen, ok := want[name]
		if !ok {
			listen = defaults.Socket(name)
		}
		path := filepath.Join("packaging", "systemd", "chatmaild-"+name+".socket")
		if listen == "" {
			if _, err := os.Stat(filepath.Join(root, path)); err == nil {
				t.Errorf("%s is there", path)
			}
			continue
		}
		unit := read(t, path)
		for _, line := range []string{"ListenStream=" + listen, "FileDescriptorName=" + name} {
			if !strings.Contains(unit, "\n"+line+"\n") {
				t.Errorf("%s: want the line %s", path, line)
			}
		}
		if service := read(t, "packaging", "systemd", "chatmaild-"+name+".service"); !strings.Contains(service, "\nRequires=chatmaild-"+name+".socket\n") {
			t.Errorf("chatmaild-%s.service does not require its socket", name)
		}
	}
}

// TestTarget holds that the relay starts every daemon, and nothing else.
func TestTarget(t *testing.T) {
	want := []string{"expire.timer", "certificate.path", "clock.timer", "queuewatch.path"}
	for _, c := range All() {
		if c.Kind == command.Daemon && c.Name != "turn" && c.Name != "iroh" && c.Name != "websocket" { // which their sockets start
			want = append(want, c.Name+".service")
		}
	}
	same(t, "chatmaild.target wants", matches(`chatmaild-([a-z-]+\.(?:service|timer|path))`, read(t, "packaging", "systemd", "chatmaild.target")), want)
}

// TestConfigFile holds that the shipped configuration has every key with its
// default, commented out, and that it loads either way.
func TestConfigFile(t *testing.T) {
	text := strings.ReplaceAll(packaging.Config, "DOMAIN", "chat.example.org")
	want, err := config.Parse("chatmaild.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Parse("chatmaild.toml", regexp.MustCompile(`(?m)^#([a-z[])`).ReplaceAllString(text, "$1"))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("with every key at the default that it shows:\n got %+v\nwant %+v", got, want)
	}
	same(t, "keys in packaging/chatmaild.toml", matches(`(?m)^#?([a-z][a-z0-9_]*) = `, packaging.Config), configKeys())
}

func TestConfigManual(t *testing.T) {
	page := read(t, "packaging", "man", "chatmail.toml.5")
	same(t, "keys in chatmail.toml.5", matches(`(?m)^\.It Ic (\S+) No = `, page), configKeys())
	defaults := reflect.ValueOf(*config.Defaults())
	for i := range defaults.NumField() {
		key := defaults.Type().Field(i).Tag.Get("toml")
		var value string
		switch v := defaults.Field(i).Interface().(type) {
		case int, bool, config.Size:
			value = fmt.Sprint(v)
		default:
			continue
		}
		_, item, _ := strings.Cut(page, ".It Ic "+key+" No")
		item, _, _ = strings.Cut(item, ".It ")
		if !strings.Contains(item, "\nDefault: "+value+".\n") {
			t.Errorf("chatmail.toml.5: %s: want its default, %s", key, value)
		}
	}
}

func configKeys() []string {
	var keys []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		if field.Type.Kind() == reflect.Struct {
			for _, inner := range reflect.VisibleFields(field.Type) { // of a table
				keys = append(keys, inner.Tag.Get("toml"))
			}
			continue
		}
		keys = append(keys, field.Tag.Get("toml"))
	}
	return keys
}

// TestPurge shows that what the package has systemd-tmpfiles make on the disk goes with it.
func TestPurge(t *testing.T) {
	removed := strings.FieldsFunc(read(t, "debian", "chatmaild.postrm"), func(r rune) bool { return strings.ContainsRune(" \t\n;", r) })
	found := 0
	for line := range strings.Lines(read(t, "packaging", "tmpfiles.d", "chatmaild.conf")) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "d" || strings.HasPrefix(fields[1], "/run/") { // that is memory
			continue
		}
		found++
		if !slices.Contains(removed, fields[1]) {
			t.Errorf("debian/chatmaild.postrm does not remove %s", fields[1])
		}
	}
	if found == 0 {
		t.Error("the package makes no directories")
	}
}
