package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/desired"
	"chatmaild/applets/admin/host/hosttest"
	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/transport/routes"
)

// queueMachine is a machine whose postqueue prints what a test wants.
type queueMachine struct {
	*hosttest.Machine
	said  string
	tried []string // arguments of postqueue, but for -j
	out   bytes.Buffer
}

func newQueueMachine(t *testing.T) *queueMachine {
	m := &queueMachine{Machine: hosttest.New(t)}
	m.Command = func(ctx context.Context, name string, args ...string) (string, error) {
		switch {
		case name != "/usr/sbin/postqueue":
			return m.Systemd(ctx, name, args...)
		case args[0] == "-j":
			return m.said, nil
		}
		m.tried = append(m.tried, strings.Join(args, " "))
		return "", nil
	}
	m.Active[desired.Bookworm.PostfixInstance()] = time.Now()
	m.Write(desired.TransportMap, "")
	for _, w := range []struct {
		id, to string
	}{{"4A", "a@one.test"}, {"4B", "b@two.test"}, {"4C", "c@one.test"}} {
		m.wait("deferred", w.id, w.to)
	}
	return m
}

func (m *queueMachine) wait(queue, id string, to string) {
	m.said += fmt.Sprintf(`{"queue_name": %q, "queue_id": %q, "arrival_time": 1000, "message_size": 2048, "sender": "s@chat.example", "recipients": [{"address": %q, "delay_reason": "said: <%s> is away"}]}`+"\n",
		queue, id, to, to)
}

// queue runs a command line and returns what it printed.
func (m *queueMachine) queue(line string) (string, error) {
	m.T.Helper()
	conf, err := config.Parse("test.toml", `mail_domain = "chat.example"`)
	if err != nil {
		m.T.Fatal(err)
	}
	m.out.Reset()
	m.Did, m.tried = nil, nil
	args := strings.Fields(line)
	flagged := func(name string) bool {
		i := slices.Index(args, name)
		if i >= 0 {
			args = slices.Delete(args, i, i+1)
		}
		return i >= 0
	}
	q := job{
		env:  &command.Env{Stdout: &m.out, Stderr: &m.out, Getenv: func(string) string { return "" }},
		conf: conf, machine: m.Host, now: time.Unix(1000+7200, 0), json: flagged("--json"), addresses: flagged("--addresses"),
	}
	err = q.run(context.Background(), args)
	return m.out.String(), err
}

func TestQueueRules(t *testing.T) {
	m := newQueueMachine(t)
	reload := "reload " + desired.Bookworm.PostfixInstance()
	steps := []struct {
		line  string
		says  []string
		file  string // what the map holds then
		did   string
		tried string
	}{
		{"hold One.test", []string{"one.test: held", "(2 queued)", "undo: chatmaild queue release one.test"}, "one.test\tretry:4.7.1 held by the operator\n", reload, ""},
		{"list", []string{"held; undo: chatmaild queue release one.test", "1 deferred: said: <…> is away", "2h00m"}, "one.test\tretry:4.7.1 held by the operator\n", "", ""},
		{"discard one.test", []string{"one.test: discarded", "undo: chatmaild queue release one.test"}, "one.test\tdiscard:by the operator\n", reload, "-i 4A,-i 4C"},
		{"release one.test", []string{"one.test: released", "undo: chatmaild queue discard one.test"}, "", reload, "-i 4A,-i 4C"},
		{"release one.test", []string{"nothing to do", "there is nothing to undo"}, "", "", ""},
		{"flush two.test", []string{"two.test: queued mail to it is retried now (1 queued)", "there is nothing to undo"}, "", "", "-i 4B"},
		{"hold three.test", []string{"three.test: held", "(0 queued)"}, "three.test\tretry:4.7.1 held by the operator\n", reload, ""},
		{"", []string{"three.test   0         -"}, "three.test\tretry:4.7.1 held by the operator\n", "", ""},
	}
	for _, s := range steps {
		out, err := m.queue(s.line)
		if err != nil {
			t.Fatalf("queue %s: %v", s.line, err)
		}
		for _, says := range s.says {
			if !strings.Contains(out, says) {
				t.Errorf("queue %s: does not say %q:\n%s", s.line, says, out)
			}
		}
		if strings.Contains(out, "@") {
			t.Errorf("queue %s: shows an address:\n%s", s.line, out)
		}
		file, err := m.ReadFile(desired.TransportMap)
		if err != nil || string(file) != s.file {
			t.Errorf("queue %s: the map is %q, %v; want %q", s.line, file, err, s.file)
		}
		if did := strings.Join(m.Did, ","); did != s.did {
			t.Errorf("queue %s: did %q, want %q", s.line, did, s.did)
		}
		if tried := strings.Join(m.tried, ","); tried != s.tried {
			t.Errorf("queue %s: tried %q, want %q", s.line, tried, s.tried)
		}
	}
}

// hosts is a transport that notes whose hosts are tried again.
type hosts struct{ retried []string }

func (*hosts) Routes() []routes.Route { return nil }

func (h *hosts) Retry(_ context.Context, domain string) []string {
	h.retried = append(h.retried, domain)
	return nil
}

// TestQueueRests has what is retried at once not wait until the transport tries its hosts again.
func TestQueueRests(t *testing.T) {
	m := newQueueMachine(t)
	socket := filepath.Join(m.Root, "/run/chatmaild/transport/routes.socket")
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var transport hosts
	ended := make(chan error, 1)
	go func() {
		ended <- routes.Server{Transport: &transport, Log: slog.New(slog.DiscardHandler)}.Serve(ctx, l)
	}()
	for _, line := range []string{"flush two.test", "hold one.test", "release one.test", "discard one.test"} {
		if _, err := m.queue(line); err != nil {
			t.Fatalf("queue %s: %v", line, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if want := []string{"two.test", "one.test"}; !slices.Equal(transport.retried, want) {
		t.Errorf("retried %q, want %q", transport.retried, want)
	}
}

func TestQueueRefusals(t *testing.T) {
	m := newQueueMachine(t)
	if _, err := m.queue("hold one.test"); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"flush one.test":       "one.test is held",
		"discard chat.example": "chat.example is this relay itself",
	} {
		out, err := m.queue(line)
		var hint *command.HintError
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &hint) {
			t.Errorf("queue %s: got %q, %v; want %q, with a hint", line, out, err, want)
		}
		if len(m.Did)+len(m.tried) > 0 {
			t.Errorf("queue %s: did %q, tried %q", line, m.Did, m.tried)
		}
	}
}

// TestQueueDown holds that the rules are kept while Postfix does not run.
func TestQueueDown(t *testing.T) {
	m := newQueueMachine(t)
	delete(m.Active, desired.Bookworm.PostfixInstance())
	if _, err := m.queue("discard one.test"); err != nil {
		t.Fatal(err)
	}
	if len(m.Did) > 0 {
		t.Errorf("did %q", m.Did)
	}
}

func TestQueueMany(t *testing.T) {
	m := newQueueMachine(t)
	for i := range maxRetries {
		m.wait("deferred", fmt.Sprintf("5%d", i), "d@one.test")
	}
	out, err := m.queue("flush one.test")
	if want := fmt.Sprintf("(%d queued)", maxRetries+2); err != nil || !strings.Contains(out, want) {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
	if want := []string{"-f"}; !slices.Equal(m.tried, want) {
		t.Errorf("tried %d times, want %q", len(m.tried), want)
	}
}

func TestQueueJSON(t *testing.T) {
	m := newQueueMachine(t)
	out, err := m.queue("list one.test --json --addresses")
	if err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Messages != 2 || got.Size != 4096 || len(got.Destinations) != 1 ||
		got.Destinations[0].Queues["deferred"] != 2 || len(got.Listed) != 2 || got.Listed[0].ID != "4A" {
		t.Errorf("got %s", out)
	}
	if out, err := m.queue("list"); err != nil || !strings.Contains(out, "all          3") {
		t.Errorf("got %q, %v", out, err)
	}
}
