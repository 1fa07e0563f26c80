package census

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// start counts a directory until the test ends.
func start(t *testing.T, dir string) *Census {
	t.Helper()
	c := New(dir, "x.test")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c
}

// expect waits for the counts.
func expect(t *testing.T, c *Census, want Counts) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for c.Counts() != want {
		if time.Now().After(deadline) {
			t.Fatalf("got %+v, want %+v", c.Counts(), want)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestCensus(t *testing.T) {
	dir := t.TempDir()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a@x.test", "ci-b@x.test", "ac_c@x.test", "d@y.test", ".new-1", ".gone-e@x.test.1"} {
		do(os.Mkdir(at(name), 0o700))
	}
	c := start(t, dir)
	expect(t, c, Counts{CI: 2, Others: 1, Known: true})

	// As store/maildir makes and removes mailboxes.
	do(os.Rename(at(".new-1"), at("f@x.test")))
	expect(t, c, Counts{CI: 2, Others: 2, Known: true})
	do(os.Rename(at("a@x.test"), at(".gone-a")))
	do(os.Remove(at(".gone-a")))
	expect(t, c, Counts{CI: 2, Others: 1, Deleted: 1, Known: true})

	// By an operator.
	do(os.Remove(at("ci-b@x.test")))
	do(os.Mkdir(at("g@x.test"), 0o700))
	do(os.Mkdir(at("h@y.test"), 0o700))
	expect(t, c, Counts{CI: 1, Others: 2, Deleted: 2, Known: true})
}

// TestBusy counts while mailboxes come: whatever it met, it ends up with all.
func TestBusy(t *testing.T) {
	const before, during = 3000, 2000
	dir := t.TempDir()
	make := func(n int) error { return os.Mkdir(filepath.Join(dir, fmt.Sprintf("u%d@x.test", n)), 0o700) }
	for n := range before {
		if err := make(n); err != nil {
			t.Fatal(err)
		}
	}
	c := start(t, dir)
	expect(t, c, Counts{Others: before, Known: true})
	for n := range during {
		if err := make(before + n); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, c, Counts{Others: before + during, Known: true})
}

func TestNoDirectory(t *testing.T) {
	if err := New(filepath.Join(t.TempDir(), "none"), "x.test").Run(t.Context()); err == nil {
		t.Error("got no error for a directory that is not there")
	}
}

func BenchmarkCount(b *testing.B) {
	const mailboxes = 10_000
	dir := b.TempDir()
	for n := range mailboxes {
		if err := os.Mkdir(filepath.Join(dir, fmt.Sprintf("u%d@x.test", n)), 0o700); err != nil {
			b.Fatal(err)
		}
	}
	c := New(dir, "x.test")
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := c.names(b.Context(), func(string) { n++ }); err != nil || n != mailboxes {
			b.Fatalf("got %d names, %v", n, err)
		}
	}
}
