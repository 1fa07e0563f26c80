package top

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatmaild/applets/command"
	"chatmaild/applets/service/metric"
)

func sample(name string, value float64, pairs ...string) metric.Sample {
	s := metric.Sample{Name: name, Value: value, Labels: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		s.Labels[pairs[i]] = pairs[i+1]
	}
	return s
}

func TestChange(t *testing.T) {
	at := time.Unix(1e9, 0)
	buckets := func(counts ...float64) (all []metric.Sample) {
		for i, le := range []string{"0.1", "0.2", "0.4", "+Inf"} {
			all = append(all, sample("h_bucket", counts[i], "le", le))
		}
		return all
	}
	c := change{
		before: look{at, append(buckets(5, 5, 5, 5), sample("n_total", 10, "to", "a"), sample("n_total", 5, "to", "b"), sample("again_total", 100))},
		now:    look{at.Add(2 * time.Second), append(buckets(5, 9, 13, 13), sample("n_total", 14, "to", "a"), sample("n_total", 5, "to", "b"), sample("again_total", 6))},
	}
	for _, test := range []struct {
		what      string
		got, want float64
	}{
		{"a value", c.value("n_total", ""), 19},
		{"one label's", c.value("n_total", "to=b"), 5},
		{"nobody's", c.value("n_total", "to=c"), math.NaN()},
		{"a rate", c.rate("n_total", ""), 2},
		{"a rate of nothing", c.rate("none", ""), math.NaN()},
		{"a rate after a restart", c.rate("again_total", ""), 3},
		{"a median", c.quantile(.5, "h", ""), .2},
		{"a quarter", c.quantile(.25, "h", ""), .15},
		{"the end", c.quantile(1, "h", ""), .4},
		{"of none", change{c.now, c.now}.quantile(.5, "h", ""), math.NaN()},
		{"of no histogram", c.quantile(.5, "n_total", ""), math.NaN()},
	} {
		if math.IsNaN(test.got) != math.IsNaN(test.want) || math.Abs(test.got-test.want) > 1e-9 {
			t.Errorf("%s: got %v, want %v", test.what, test.got, test.want)
		}
	}
	beyond := change{look{at, buckets(0, 0, 0, 0)}, look{at.Add(time.Second), buckets(0, 0, 0, 3)}}
	if got := beyond.quantile(.5, "h", ""); got != .4 {
		t.Errorf("beyond the last bound: got %v, want it", got)
	}
}

func TestSpark(t *testing.T) {
	for want, numbers := range map[string][]float64{
		"":     nil,
		"▁▁":   {0, 0},
		"▁▅█ ": {0, 4, 7, math.NaN()},
	} {
		if got := spark(numbers); got != want {
			t.Errorf("%v: got %q, want %q", numbers, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		number(math.NaN()): "-", number(3): "3", number(.125): "0.12", number(12.34): "12.3",
		spell(math.NaN()): "-", spell(0): "0", spell(.0012): "1.2 ms", spell(.25): "250 ms",
		spell(3): "3.0 s", spell(600): "10 min", spell(7200): "2.0 h",
		percent(.125): "12.5 %", size(2048): "2.0 KiB",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := cut("▁▂▃▄", 2); got != "▁▂" {
		t.Errorf("cut: got %q", got)
	}
}

// metricsDaemon answers as the daemon does, with a counter that grows.
func metricsDaemon(t *testing.T) (configPath string) {
	t.Helper()
	dir := t.TempDir()
	configPath = filepath.Join(dir, "chatmail.toml")
	text := fmt.Sprintf("mail_domain = \"chat.example.org\"\nruntime_dir = %q\n", dir)
	if err := os.WriteFile(configPath, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "metrics.socket"))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# HELP chatmaild_filter_messages_total M\n# TYPE chatmaild_filter_messages_total counter\n"+
			"chatmaild_filter_messages_total{direction=\"out\",result=\"passed\"} %d\n"+
			"# HELP chatmaild_up U\n# TYPE chatmaild_up gauge\nchatmaild_up{daemon=\"web\"} 0\n", 1000*asked.Add(1))
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return configPath
}

func runTop(ctx context.Context, env *command.Env, args ...string) error {
	run, rest, err := Command.Parse(env, args)
	if err != nil {
		return err
	}
	return run(ctx, env, rest)
}

func TestTopOnce(t *testing.T) {
	config := metricsDaemon(t)
	var out bytes.Buffer
	env := &command.Env{Stdout: &out, Getenv: func(string) string { return "" }}
	if err := runTop(t.Context(), env, "--config", config, "--once", "--interval", "500ms"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"chatmail relay chat.example.org", "mail out", "web              DOES NOT ANSWER", "to a mailbox             -"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &out)
		}
	}
	if strings.ContainsAny(out.String(), "\x1b") {
		t.Error("control sequences in a file")
	}
	if err := runTop(t.Context(), env, "--config", config, "--interval", "1ms"); command.Status(err) != command.StatusUsage {
		t.Errorf("an interval of 1 ms: got %v", err)
	}
}

// terminal makes a pair of ends of a pseudo-terminal (pty(7)).
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 10, Col: 40}); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// TestTopLive shows rates in a terminal until q, and leaves it as it was.
func TestTopLive(t *testing.T) {
	config := metricsDaemon(t)
	master, slave := terminal(t)
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	env := &command.Env{Stdin: slave, Stdout: slave, Getenv: func(string) string { return "" }}
	ended := make(chan error, 1)
	go func() { ended <- runTop(t.Context(), env, "--config", config, "--interval", "500ms") }()

	var seen strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(seen.String(), "█") {
		n, err := master.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, seen.String())
		}
		seen.Write(buf[:n])
	}
	if _, err := io.WriteString(master, "xq"); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, master)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal was %+v and is %+v, %v", before, after, err)
	}
	lines := strings.Split(seen.String()[strings.LastIndex(seen.String(), goHome):], "\r\n")
	if len(lines) > 10 || !strings.HasPrefix(seen.String(), enterScreen) {
		t.Errorf("drew %d lines on 10", len(lines))
	}
}
