package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/store/ids"
)

// machine is a host in a temporary directory, with files as given.
func machine(t *testing.T, files map[string]string) Host {
	t.Helper()
	h := Host{Tree: Tree{Root: t.TempDir()}}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(h.path(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(h.path(path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func read(t *testing.T, h Host, path string) string {
	t.Helper()
	text, err := h.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func file(path, text string) desired.File {
	return desired.File{
		Path: path, Content: []byte(text), Mode: 0o644,
		Owner: ids.User(uint32(os.Getuid())), Group: ids.Group(uint32(os.Getgid())),
	}
}

func TestChanges(t *testing.T) {
	gone := file("/etc/gone", "")
	gone.Absent = true
	tests := []struct {
		name   string
		wanted desired.File
		diff   string // "" if nothing changes
	}{
		{"same", file("/etc/same", "a\n"), ""},
		{"content", file("/etc/same", "b\n"), "-a\n+b\n"},
		{"new", file("/etc/new", "b\n"), "--- /dev/null"},
		{"superfluous", desired.File{Path: "/etc/same", Absent: true}, "remove /etc/same"},
		{"absent already", gone, ""},
		{"mode", func() desired.File { f := file("/etc/same", "a\n"); f.Mode = 0o600; return f }(), "-rw-r--r--"},
		{"secret", func() desired.File { f := file("/etc/key", "hush"); f.Secret = true; return f }(), "(secret)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := machine(t, map[string]string{"/etc/same": "a\n"})
			changes, err := h.Changes([]desired.File{tt.wanted})
			if err != nil {
				t.Fatal(err)
			}
			if tt.diff == "" {
				if len(changes) != 0 {
					t.Fatalf("got %d changes, want none", len(changes))
				}
				return
			}
			if len(changes) != 1 {
				t.Fatalf("got %d changes, want 1", len(changes))
			}
			got := changes[0].Diff()
			if !strings.Contains(got, tt.diff) || strings.Contains(got, "hush") {
				t.Errorf("got diff %q, want %q in it", got, tt.diff)
			}
			if err := h.Write(tt.wanted); err != nil {
				t.Fatal(err)
			}
			if after, err := h.Changes([]desired.File{tt.wanted}); err != nil || len(after) != 0 {
				t.Errorf("after writing it: %d changes, %v; want none", len(after), err)
			}
		})
	}
}

func TestChangesRefusesWhatIsNoFile(t *testing.T) {
	h := machine(t, map[string]string{"/etc/directory/x": ""})
	_, err := h.Changes([]desired.File{file("/etc/directory", "")})
	if err == nil || !strings.Contains(err.Error(), "/etc/directory is not a regular file") {
		t.Errorf("got %v", err)
	}
}

func TestKeepAndUndo(t *testing.T) {
	h := machine(t, map[string]string{"/etc/a": "old a", "/etc/b": "old b"})
	removed := file("/etc/b", "")
	removed.Absent = true
	changes, err := h.Changes([]desired.File{file("/etc/a", "new a"), removed, file("/etc/c", "new c")})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Keep("/kept", changes); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if err := h.Write(c.File); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, h, "/etc/a"); got != "new a" {
		t.Errorf("a is %q after writing", got)
	}
	if got := read(t, h, "/kept/etc/b"); got != "old b" {
		t.Errorf("kept b is %q", got)
	}
	if err := h.Undo(changes); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/etc/a": "old a", "/etc/b": "old b"} {
		if got := read(t, h, path); got != want {
			t.Errorf("%s is %q after undoing, want %q", path, got, want)
		}
	}
	if _, err := h.ReadFile("/etc/c"); !os.IsNotExist(err) {
		t.Errorf("c is there after undoing: %v", err)
	}
}

// TestChown wants a file to get its mode, and to keep its text and its time.
func TestChown(t *testing.T) {
	h := machine(t, map[string]string{"/etc/key": "secret"})
	then := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(h.path("/etc/key"), then, then); err != nil {
		t.Fatal(err)
	}
	f := file("/etc/key", "")
	f.Mode = 0o600
	if err := Chown(h.Tree, f); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(h.path("/etc/key"))
	if err != nil || info.Mode() != 0o600 || !info.ModTime().Equal(then) || read(t, h, "/etc/key") != "secret" {
		t.Errorf("got %+v, %v", info, err)
	}
	if err := Chown(h.Tree, file("/etc/gone", "")); !os.IsNotExist(errors.Unwrap(err)) {
		t.Errorf("of a file that is not there: %v", err)
	}
}

func TestParseUnits(t *testing.T) {
	out := `Id=postfix.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
NRestarts=3
ActiveEnterTimestamp=Sun 2026-11-22 20:17:25.123456 UTC
StateChangeTimestamp=Sun 2026-11-22 20:18:00.000001 UTC

Id=nix.service
LoadState=not-found
ActiveState=inactive
UnitFileState=
NRestarts=0
ActiveEnterTimestamp=
StateChangeTimestamp=
`
	got := parseUnits(out)
	want := []Unit{
		{"postfix.service", "loaded", "active", "enabled", 3, time.Date(2026, 11, 22, 20, 17, 25, 123456000, time.UTC), time.Date(2026, 11, 22, 20, 18, 0, 1000, time.UTC)},
		{"nix.service", "not-found", "inactive", "", 0, time.Time{}, time.Time{}},
	}
	if len(got) != len(want) {
		t.Fatalf("got %d units, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("unit %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestOlder(t *testing.T) {
	const conf, dropin = "/etc/conf", "/etc/systemd/system/x.service.d/conf"
	h := machine(t, map[string]string{conf: "", dropin: ""})
	written := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, name := range []string{conf, dropin} {
		if err := os.Chtimes(h.path(name), written, written); err != nil {
			t.Fatal(err)
		}
	}
	before, after := written.Add(-time.Microsecond), written.Add(time.Microsecond)
	for _, tt := range []struct {
		unit Unit
		file string
		want bool
	}{
		{Unit{Since: before}, conf, true},
		{Unit{Since: written}, conf, false},
		{Unit{Since: after}, conf, false},
		{Unit{Since: before, Reloaded: before}, conf, true},
		{Unit{Since: before, Reloaded: after}, conf, false},
		{Unit{Since: before, Reloaded: after}, dropin, true}, // systemd reads it at a start
		{Unit{Since: after, Reloaded: after}, dropin, false},
	} {
		got, err := h.Systemd().Older(tt.unit, []string{"/etc/missing", tt.file})
		if err != nil || got != tt.want {
			t.Errorf("%+v and %s: got %v, %v, want %v", tt.unit, tt.file, got, err, tt.want)
		}
	}
}

func TestParseListener(t *testing.T) {
	const listening = "   0: 0100007F:2760 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0"
	tests := []struct {
		line  string
		port  int
		inode string
		ok    bool
	}{
		{listening, 10080, "12345", true},
		{strings.Replace(listening, " 0A ", " 01 ", 1), 0, "", false},
		{"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", 0, "", false},
		{strings.Replace(listening, ":2760", ":zz", 1), 0, "", false},
		{"", 0, "", false},
	}
	for _, tt := range tests {
		port, inode, ok := parseListener(tt.line)
		if port != tt.port || inode != tt.inode || ok != tt.ok {
			t.Errorf("%q: got %d, %q, %v", tt.line, port, inode, ok)
		}
	}
}

func TestListenersNamesTheProgram(t *testing.T) {
	h := machine(t, map[string]string{
		"/proc/net/tcp": "  sl  local_address\n" +
			"   0: 00000000:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0\n",
		"/proc/1/comm": "systemd\n", "/proc/300/comm": "exim4\n", "/proc/301/comm": "child\n",
	})
	for _, pid := range []string{"1", "300", "301"} {
		if err := os.MkdirAll(h.path("/proc/"+pid+"/fd"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("socket:[77]", h.path("/proc/"+pid+"/fd/3")); err != nil {
			t.Fatal(err)
		}
	}
	got, err := h.Listeners()
	if err != nil || len(got) != 1 || got[0] != (Listener{25, "exim4", 300}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestRequireDebian(t *testing.T) {
	tests := []struct{ release, want string }{
		{"ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n", ""},
		{"ID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n", ""},
		{"ID=debian\nVERSION_ID=\"11\"\nPRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\n", "this is Debian GNU/Linux 11 (bullseye)"},
		{"ID=debian\nPRETTY_NAME=\"Debian GNU/Linux forky/sid\"\n", "this is Debian GNU/Linux forky/sid"},
		{"ID=ubuntu\nVERSION_ID=\"24.04\"\nPRETTY_NAME=\"Ubuntu 24.04 LTS\"\n", "this is Ubuntu 24.04 LTS"},
		{"", "this is an unknown system"},
	}
	for _, tt := range tests {
		err := machine(t, map[string]string{"/etc/os-release": tt.release}).RequireDebian()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q: got %v, want %q", tt.release, err, tt.want)
		}
	}
}

func TestRequirePackagesNamesTheMissingOne(t *testing.T) {
	files := map[string]string{}
	for _, p := range programs {
		files[p.file] = ""
	}
	if err := machine(t, files).RequirePackages(); err != nil {
		t.Errorf("all there: %v", err)
	}
	for _, p := range programs {
		h := machine(t, files)
		if err := os.Remove(h.path(p.file)); err != nil {
			t.Fatal(err)
		}
		err := h.RequirePackages()
		if err == nil || !strings.Contains(err.Error(), "the package "+p.pkg+" is missing") {
			t.Errorf("without %s: got %v", p.file, err)
		}
	}
}

func TestSysctls(t *testing.T) {
	h := machine(t, map[string]string{
		"/usr/lib/sysctl.d/x.conf": "# why\nfs.low = 20\nfs.high=5\nfs.unseen = 7\n",
		"/proc/sys/fs/low":         "10\n", "/proc/sys/fs/high": "6\n",
	})
	low, err := h.Sysctls("/usr/lib/sysctl.d/x.conf")
	if err != nil || len(low) != 1 || low[0] != (Sysctl{"fs.low", 20, 10}) {
		t.Fatalf("got %+v, %v", low, err)
	}
	if err := h.SetSysctl(low[0]); err != nil {
		t.Fatal(err)
	}
	if low, err = h.Sysctls("/usr/lib/sysctl.d/x.conf"); err != nil || len(low) != 0 {
		t.Errorf("after setting it: %+v, %v", low, err)
	}
}
