package process

import (
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"chatmaild/applets/supervise/unit"
)

// children are those of the test program: there can be one reaper.
var children = sync.OnceValues(New)

func start(t *testing.T, script string) (*Process, *os.File) {
	t.Helper()
	c, err := children()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p, err := c.Start([]string{"/bin/sh", "-c", script}, []string{"PATH=/bin:/usr/bin"}, []*os.File{os.Stdin, w, w})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return p, r
}

func TestStatus(t *testing.T) {
	for script, want := range map[string]string{
		"exit 0": "", "exit 7": "exit status 7", "kill -9 $$": "killed by signal 9 (killed)",
	} {
		p, _ := start(t, script)
		<-p.Ended()
		got := ""
		if err := p.Err(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", script, got, want)
		}
	}
}

// TestManyAtOnce holds that none is missed, however soon it ends.
func TestManyAtOnce(t *testing.T) {
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			p, _ := start(t, ":")
			<-p.Ended()
		})
	}
	all.Wait()
}

// TestOrphans are reaped, and found by their group.
func TestOrphans(t *testing.T) {
	p, out := start(t, "cat /dev/zero >/dev/null & echo $!; kill -9 $$")
	<-p.Ended()
	if p.GroupEmpty() {
		t.Fatal("the child of a child is not of its group")
	}
	if err := p.SignalGroup(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// Its end of the pipe closes when it is gone, and what is gone and not reaped is still
	// of the group.
	buf := make([]byte, 64)
	for {
		if _, err := out.Read(buf); err != nil {
			break
		}
	}
	for !p.GroupEmpty() {
	}
}

func TestArguments(t *testing.T) {
	u := &unit.Unit{Name: "x.service", Service: unit.Service{Umask: 0o077, Files: 64, NoCore: true, Nice: 19, Batch: true, IdleIO: true, NoNewPrivs: true}}
	c := unit.Command{Args: []string{"/bin/true", "a b"}}
	got := strings.Join(Arguments(u, c, Identity{Name: "vmail", UID: 5, GID: 6, Groups: []int{7, 8}})[4:], " ")
	want := "0077 /usr/bin/prlimit --nofile=64:64 --core=0:0 /usr/bin/nice -n 19 /usr/bin/chrt --batch 0 /usr/bin/ionice -c 3 " +
		"/usr/bin/setpriv --reuid=5 --regid=6 --groups=7,8 --no-new-privs /bin/true a b"
	if got = strings.TrimPrefix(got, "sh "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	c.Root = true
	if got := Arguments(&unit.Unit{}, c, Identity{Name: "vmail"}); slices.Contains(got, "/usr/bin/setpriv") {
		t.Errorf("as root: got %q", got)
	}
}

func TestIdentity(t *testing.T) {
	id, err := IdentityOf(&unit.Unit{Name: "a.service", Service: unit.Service{DynamicUser: true}})
	if err != nil || id.UID < firstDynamicUser || id.UID > 65519 || id.UID != id.GID || id.Name != "" {
		t.Errorf("a dynamic user: got %+v, %v", id, err)
	}
	id, err = IdentityOf(&unit.Unit{Service: unit.Service{User: "daemon", Groups: []string{"mail"}}})
	if err != nil || id.Name != "daemon" || id.UID == 0 || len(id.Groups) != 1 {
		t.Errorf("daemon: got %+v, %v", id, err)
	}
	if _, err := IdentityOf(&unit.Unit{Service: unit.Service{User: "no such user"}}); err == nil {
		t.Error("a user that is not there is accepted")
	}
}
