package service

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"chatmaild/applets/service/metric"
)

// Bounds of telling metrics.
const (
	metricsReaders = 4 // connections at once
	metricsTimeout = 5 * time.Second
)

// NewMetrics returns the metrics of the daemon called name, which began to run
// now: those that every process has. The daemon adds its own.
func NewMetrics(name string, now time.Time) *metric.Set {
	set := &metric.Set{}
	daemon := metric.Label{Name: "daemon", Values: []string{name}}
	cpu := set.Counter("process_cpu_seconds_total", "CPU time of a daemon, user and system", daemon).At(name)
	start := set.Gauge("process_start_time_seconds", "Start time of a daemon, as Unix time", daemon).At(name)
	resident := set.Gauge("process_resident_memory_bytes", "Resident memory of a daemon", daemon).At(name)
	own := set.Gauge("chatmaild_process_pss_bytes", "Proportional set size (PSS) of a daemon", daemon).At(name)
	files := set.Gauge("process_open_fds", "Open files and connections of a daemon", daemon).At(name)
	start.Set(float64(now.UnixMilli()) / 1000)
	set.Before(func() {
		var used syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil {
			cpu.Set(time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds())
		}
		resident.Set(residentMemory())
		own.Set(proportionalMemory())
		files.Set(openFiles())
	})
	return set
}

// residentMemory reads /proc/self/statm, proportionalMemory smaps_rollup (proc(5)),
// both in bytes.
func residentMemory() float64 {
	fields := strings.Fields(readSmall("/proc/self/statm"))
	if len(fields) < 2 {
		return metric.Unknown
	}
	return scaled(fields[1], os.Getpagesize())
}

func proportionalMemory() float64 {
	_, after, _ := strings.Cut(readSmall("/proc/self/smaps_rollup"), "\nPss:")
	first, _, _ := strings.Cut(strings.TrimSpace(after), " ")
	return scaled(first, 1<<10)
}

// readSmall returns the beginning of a file of proc, or nothing.
func readSmall(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	var buf [1 << 10]byte
	n, _ := file.Read(buf[:])
	return string(buf[:n])
}

func scaled(text string, unit int) float64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return metric.Unknown
	}
	return float64(n) * float64(unit)
}

func openFiles() float64 {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return metric.Unknown
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return metric.Unknown
	}
	return float64(len(names) - 1) // without that of reading the directory
}

// tellMetrics serves the daemon's metrics until ctx is done, and no longer than until end
// returns. A daemon that cannot continues without: nobody's mail depends on it.
func (s *Service) tellMetrics(ctx context.Context) (end func()) {
	l, err := listenUnix(Unix(s.MetricsSocket))
	if err != nil {
		s.Log.Warn("this daemon's metrics cannot be read", "error", err)
		return func() {}
	}
	go func() {
		defer context.AfterFunc(ctx, func() { l.Close() })()
		if err := serveMetrics(netutil.LimitListener(l, metricsReaders), s.Metrics); ctx.Err() == nil {
			s.Log.Warn("this daemon's metrics cannot be read any more", "error", err)
		}
	}()
	return func() { l.Close() }
}

// serveMetrics tells everybody who connects, and hangs up: there is nothing to
// ask.
func serveMetrics(l net.Listener, set *metric.Set) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			return fmt.Errorf("waiting for readers: %w", err)
		}
		go func() {
			defer conn.Close()
			if conn.SetDeadline(time.Now().Add(metricsTimeout)) == nil {
				// A reader that has gone away needs no answer.
				_ = set.Tell(conn)
			}
		}()
	}
}

// ReadMetrics reads the metrics of the daemon behind a socket.
func ReadMetrics(ctx context.Context, socket string) ([]metric.Family, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("reading a daemon's metrics: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return metric.Read(conn)
}
