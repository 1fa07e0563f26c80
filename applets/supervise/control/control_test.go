package control

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"chatmaild/testdata/kit/unixsocket"
)

// listen answers at a socket of a test's.
func listen(t *testing.T, do func(context.Context, []string) (string, error)) string {
	t.Helper()
	path, _ := unixsocket.Serve(t, Server{Do: do, Log: slog.New(slog.DiscardHandler)}.Serve)
	return path
}

func TestCall(t *testing.T) {
	path := listen(t, func(_ context.Context, args []string) (string, error) {
		if slices.Equal(args, []string{"show", "--", "a b"}) {
			return "Id=a b\n", nil
		}
		return "", errors.New("it is down")
	})
	if !Present(path) || Present(path+"x") {
		t.Error("a socket that is there is not seen, or one that is not is")
	}
	if out, err := Call(t.Context(), path, []string{"show", "--", "a b"}); out != "Id=a b\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
	if _, err := Call(t.Context(), path, []string{"start"}); err == nil || err.Error() != "it is down" {
		t.Errorf("got %v, want what the other side says", err)
	}
	if _, err := Call(t.Context(), path, []string{strings.Repeat("x", maxRequest)}); err == nil || !strings.Contains(err.Error(), "not valid") {
		t.Errorf("too long a request: got %v", err)
	}
	if _, err := Call(t.Context(), path+"x", nil); err == nil {
		t.Error("got no error where nobody listens")
	}
}

// TestBrokenOff gives up waiting with its context, also if the answer never comes.
func TestBrokenOff(t *testing.T) {
	asked := make(chan bool)
	path := listen(t, func(ctx context.Context, _ []string) (string, error) {
		close(asked)
		<-ctx.Done()
		return "", ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := Call(ctx, path, []string{"stop"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
