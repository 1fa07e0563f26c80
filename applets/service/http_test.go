package service

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

// A request at hand is finished after the request to stop, and then ServeHTTP returns.
func TestServeHTTPDrains(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "web.socket"))
	if err != nil {
		t.Fatal(err)
	}
	arrived, release := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		io.WriteString(w, "whole")
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ServeHTTP(ctx, l, h, slog.New(slog.DiscardHandler)) }()

	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", l.Addr().String())
		},
	}}
	answer := make(chan string, 1)
	go func() {
		resp, err := client.Get("http://web/")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-arrived
	stop()
	select {
	case err := <-ended:
		t.Fatalf("returned before the answer: %v", err)
	default:
	}
	close(release)
	if got := <-answer; got != "whole" {
		t.Errorf("got %q, want %q", got, "whole")
	}
	if err := <-ended; err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if _, err := net.Dial("unix", l.Addr().String()); err == nil {
		t.Error("still accepts")
	}
}

func TestServeHTTPTellsAFault(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := ServeHTTP(t.Context(), l, http.NotFoundHandler(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("got nil for a listener that is closed")
	}
}
