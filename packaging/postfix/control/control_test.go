package control

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatmaild/packaging/postfix/queue"
)

// machine is a Postfix in a temporary directory whose programs print what a test wants.
type machine struct {
	Postfix
	prints string
	ran    []string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{}
	m.Root = t.TempDir()
	m.Run = func(_ context.Context, name string, args ...string) (string, error) {
		m.ran = append(m.ran, filepath.Base(name)+" "+strings.Join(args, " "))
		return m.prints, nil
	}
	m.Stream = func(ctx context.Context, read func(io.Reader) error, name string, args ...string) error {
		out, err := m.Run(ctx, name, args...)
		return errors.Join(err, read(strings.NewReader(out)))
	}
	return m
}

func (m *machine) write(t *testing.T, path string) string {
	t.Helper()
	full := filepath.Join(m.Root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	return full
}

// TestDrain holds that Postfix closes its listeners, and that what is in progress is waited
// for, but not what is deferred.
func TestDrain(t *testing.T) {
	m := newMachine(t)
	active := m.write(t, QueueDir+"/active/4A")
	m.write(t, QueueDir+"/deferred/4/4B")
	run := m.Run
	m.Run = func(ctx context.Context, name string, args ...string) (string, error) {
		if args[0] == "reload" { // and now the message is delivered
			if err := os.RemoveAll(active); err != nil {
				t.Error(err)
			}
		}
		return run(ctx, name, args...)
	}
	left, err := m.Drain(t.Context())
	if want := []string{"postconf -e master_service_disable=inet", "postfix reload"}; left != 0 || err != nil || !slices.Equal(m.ran, want) {
		t.Errorf("got %d, %v, ran %q, want %q", left, err, m.ran, want)
	}
	m.write(t, QueueDir+"/incoming/4C")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if left, err := m.Drain(ctx); left != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("with a message under way: got %d, %v", left, err)
	}
	if err := m.Reopen(t.Context()); err != nil || m.ran[len(m.ran)-1] != "postconf -X master_service_disable" {
		t.Errorf("reopening: %v, ran %q", err, m.ran)
	}
}

func TestHold(t *testing.T) {
	m := newMachine(t)
	if err := m.Hold(t.Context()); err != nil || len(m.ran) > 0 {
		t.Errorf("without Postfix: %v, ran %q", err, m.ran)
	}
	m.write(t, MainConfig)
	if err := m.Hold(t.Context()); err != nil || !slices.Equal(m.ran, []string{"postsuper -h ALL"}) {
		t.Errorf("got %v, ran %q", err, m.ran)
	}
}

func TestEach(t *testing.T) {
	m := newMachine(t)
	m.prints = `{"queue_name": "deferred", "queue_id": "4T1", "recipients": []}` + "\n"
	var ids []string
	if err := m.Each(t.Context(), func(msg queue.Message) { ids = append(ids, msg.ID) }); err != nil || !slices.Equal(ids, []string{"4T1"}) {
		t.Errorf("got %q, %v", ids, err)
	}
	m.prints = "postqueue: fatal"
	if err := m.Each(t.Context(), func(queue.Message) {}); err == nil {
		t.Error("an error of postqueue is taken for a queue")
	}
}
