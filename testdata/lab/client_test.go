package lab

import (
	"context"
	"testing"
	"time"
)

// TestClientWithoutRelay shows that the real core runs, and that a name which
// nobody has is refused at once: a silent DNS server would cost minutes.
func TestClientWithoutRelay(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, err := New(ctx, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error("closing:", err)
		}
	}()
	c := startClient(t, l, "client")
	if p, err := c.SignUp(ctx, "alice", "DCACCOUNT:_nobody.test"); err == nil {
		t.Fatalf("signed up as %s where no relay is", p.Addr)
	} else if ctx.Err() != nil {
		t.Fatal(err)
	} else {
		t.Log(err)
	}
}
