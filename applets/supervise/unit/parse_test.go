package unit

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const packaging = "../../../packaging"

// TestShipped holds that every unit of ours can be read, with its drop-ins: a directive that
// matters and is not applied fails here, before it is missed in a container.
func TestShipped(t *testing.T) {
	seen := 0
	for _, dir := range []string{"systemd", "supervise"} {
		err := filepath.WalkDir(filepath.Join(packaging, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			seen++
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if filepath.Ext(path) != ".conf" {
				if _, err := Parse(filepath.Base(path), File{path, string(text)}); err != nil {
					t.Error(err)
				}
			} else if err := newUnit("x").read(File{path, string(text)}); err != nil {
				t.Error(err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 40 {
		t.Errorf("only %d files were seen", seen)
	}
}

func TestParse(t *testing.T) {
	u, err := Parse("chatmaild-web.service", File{"main", `# a comment
[Unit]
Description=anything at all
PartOf=chatmaild.target
ConditionPathExists=/a
StartLimitIntervalSec=0
[Service]
Type=notify
User=chatmaild
ExecStart=/usr/sbin/nginx -g "daemon off;"
ExecStopPost=+-/bin/kill $MAINPID
Environment=GOMEMLIMIT=100MiB GOMAXPROCS=1
Restart=on-failure
RestartSec=100ms
RestartPreventExitStatus=2
TimeoutStartSec=5min
TimeoutStopSec=90
UMask=0077
LoadCredential=a:/old
CapabilityBoundingSet=
ProtectHome=yes
`}, File{"drop-in", `[Unit]
ConditionPathExists=
ConditionPathIsDirectory=!/b
[Service]
LoadCredential=a:/new
CapabilityBoundingSet=CAP_KILL
Environment=GOMEMLIMIT=1GiB
`})
	if err != nil {
		t.Fatal(err)
	}
	want := newUnit("chatmaild-web.service")
	want.PartOf = []string{"chatmaild.target"}
	want.Conditions = []Condition{{Path: "/b", Directory: true, Negated: true}}
	want.StartInterval = 0
	want.Service = Service{
		Type: "notify", User: "chatmaild", KillSignal: "SIGTERM",
		Start:       []Command{{Args: []string{"/usr/sbin/nginx", "-g", "daemon off;"}}},
		StopPost:    []Command{{Args: []string{"/bin/kill", MainPID}, Root: true, Optional: true}},
		Environment: []string{"GOMEMLIMIT=100MiB", "GOMAXPROCS=1", "GOMEMLIMIT=1GiB"},
		Restart:     "on-failure", RestartDelay: 100 * time.Millisecond, PreventRestart: []int{2},
		StartTimeout: 5 * time.Minute, StopTimeout: 90 * time.Second,
		RuntimeMode: 0o755, Umask: 0o077,
		Credentials: []Credential{{"a", "/new"}}, Bounded: true, Capabilities: []string{"kill"},
	}
	if !reflect.DeepEqual(u, want) {
		t.Errorf("got  %+v\nwant %+v", u, want)
	}
}

func TestSocket(t *testing.T) {
	u, err := Parse("chatmaild-log.socket", File{"main", "[Socket]\nListenStream=127.0.0.1:1\nReceiveBuffer=1M\nSocketMode=0600\n"},
		File{"drop-in", "[Socket]\nListenStream=\nListenDatagram=/run/x\nSymlinks=/dev/log\n"})
	if err != nil {
		t.Fatal(err)
	}
	want := Socket{Listen: "/run/x", Datagram: true, FDName: "unknown", Mode: 0o600, ReceiveBuffer: 1 << 20, Symlinks: []string{"/dev/log"}}
	if !reflect.DeepEqual(u.Socket, want) {
		t.Errorf("got %+v, want %+v", u.Socket, want)
	}
}

func TestRefused(t *testing.T) {
	const service = "[Service]\nExecStart=/bin/true\n"
	for text, want := range map[string]string{
		"[Service]\n":                                            "0 lines ExecStart=",
		service + "ExecStart=/bin/false\n":                       "2 lines ExecStart=",
		service + "Slice=mail.slice\n":                           "x:3: Slice= in [Service] is not supported",
		"[Unit]\nUser=me\n":                                      "User= in [Unit] is not supported",
		service + "Restart=on-abort\n":                           "want one of no, on-failure, always",
		service + "DynamicUser=maybe\n":                          "want yes or no",
		service + "TimeoutStopSec=soon\n":                        "want a time",
		service + "ExecStop=true\n":                              "want an absolute path",
		service + "ExecStop=/bin/sh -c 'x'\n":                    "quotes are double ones",
		service + "ExecStop=/bin/kill $OTHER\n":                  "variables",
		service + "User=%i\n":                                    "specifiers",
		service + "LoadCredential=x\n":                           "want NAME:PATH",
		service + "LoadCredential=../x:/y\n":                     "want NAME:PATH",
		service + "RuntimeDirectory=../x\n":                      "want one directory below /run",
		service + "CapabilityBoundingSet=~X\n":                   "want names",
		service + "Nice=x\n":                                     "invalid syntax",
		service + "IOSchedulingClass=best\n":                     "want idle",
		service + "Environment=A=\\\n":                           "continues on the next",
		service + "nonsense\n":                                   "not an assignment",
		service + "[Timer]\nOnCalendar=weekly":                   "want daily",
		"[Socket]\nListenStream=/a\nListenStream=/b\n" + service: "listens at one place",
	} {
		_, err := Parse("x.service", File{"x", text})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	if _, err := Parse("x.socket", File{"x", "[Socket]\n"}); err == nil {
		t.Error("a socket that listens nowhere is accepted")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("[Service]\nExecStart=/bin/true\n")
	f.Add("[Socket]\nReceiveBuffer=\nListenStream=\n")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := Parse("x.service", File{"x", text})
		if err == nil && len(u.Start) != 1 {
			t.Errorf("a service that runs %d programs", len(u.Start))
		}
	})
}
