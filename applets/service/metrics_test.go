package service

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"chatmaild/applets/service/metric"
)

// TestMetrics reads the metrics of a running daemon on their socket.
func TestMetrics(t *testing.T) {
	dir := t.TempDir()
	systemd := notifications(t)
	set := NewMetrics("echo", time.Unix(1234567, 0))
	set.Counter("x_total", "X").At().Add(7)
	s := Service{
		Name: "echo", Address: Unix(filepath.Join(dir, "s")), Serve: serveEcho, Log: slog.New(slog.DiscardHandler),
		Metrics: set, MetricsSocket: filepath.Join(dir, "echo", "metrics.socket"),
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	expect(t, systemd, "READY=1")

	families, err := ReadMetrics(t.Context(), s.MetricsSocket)
	if err != nil {
		t.Fatal(err)
	}
	samples, err := metric.Parse(families)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]metric.Sample{}
	for _, each := range samples {
		got[each.Name] = each
	}
	if got["x_total"].Value != 7 || got["process_start_time_seconds"].Value != 1234567 {
		t.Errorf("got %+v", samples)
	}
	for name, atLeast := range map[string]float64{
		"process_cpu_seconds_total": 1e-6, "process_resident_memory_bytes": 1 << 20,
		"chatmaild_process_pss_bytes": 1 << 20, "process_open_fds": 3,
	} {
		if s := got[name]; s.Value < atLeast || s.Labels["daemon"] != "echo" {
			t.Errorf("%s: got %+v, want at least %v", name, s, atLeast)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := ReadMetrics(t.Context(), s.MetricsSocket); err == nil {
		t.Error("metrics of a daemon that has ended could be read")
	}
}

// TestNoMetrics wants a daemon to run whose metrics nobody can read.
func TestNoMetrics(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("unix", filepath.Join(dir, "m"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	systemd := notifications(t)
	s := Service{
		Name: "echo", Address: Unix(filepath.Join(dir, "s")), Serve: serveEcho, Log: slog.New(slog.DiscardHandler),
		Metrics: NewMetrics("echo", time.Now()), MetricsSocket: filepath.Join(dir, "m"),
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	expect(t, systemd, "READY=1")
	c := dial(t, "unix", s.Address.Addr)
	say(t, c, "still here\n")
	c.Close()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
