package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	clientsEnv   = "CHATMAILD_TEST_CLIENTS" // makes the test binary clients of an address, so many
	idleSessions = 2000
	textSize     = 7 << 10 // of a message in a chat, as Delta Chat encrypts it
)

// clientsProcess is that many clients, each of which logs in, sends a message and says nothing
// more.
func clientsProcess(args string) error {
	address, n, _ := strings.Cut(args, " ")
	most, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	var open []net.Conn
	var mu sync.Mutex
	var all sync.WaitGroup
	failed := make(chan error, most)
	places := newBudget(20)
	for range most {
		places <- struct{}{}
		all.Go(func() {
			defer places.release()
			conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
			if err == nil {
				err = sendOne(conn)
			}
			if err != nil {
				failed <- err
				return
			}
			mu.Lock()
			defer mu.Unlock()
			open = append(open, conn)
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(open)
	return err
}

// sendOne logs in and sends a message.
func sendOne(conn net.Conn) error {
	r := bufio.NewReader(conn)
	for _, step := range [...]struct {
		send string
		want byte
	}{
		{"", '2'}, {"EHLO phone\r\n", '2'}, {"AUTH PLAIN " + plain64("free@our.test", "right") + "\r\n", '2'},
		{"MAIL FROM:<free@our.test>\r\n", '2'}, {"RCPT TO:<b@far.test>\r\n", '2'}, {"DATA\r\n", '3'},
		{wire(strings.Repeat("some text in a chat, of a line's length, that is encrypted\r\n", textSize/60)) + ".\r\n", '2'},
	} {
		if _, err := io.WriteString(conn, step.send); err != nil {
			return err
		}
		c := &client{conn: conn, r: r}
		if got, err := c.reply(); err != nil || got[0] != step.want {
			return fmt.Errorf("got %q, %w", got, err)
		}
	}
	return nil
}

// BenchmarkIdleSession measures what a client's session takes that has sent a message and is
// idle, in KiB of the heap and of stacks, and the processor time of a collection with so many.
func BenchmarkIdleSession(b *testing.B) {
	for _, gcPercent := range []int{100, 15} {
		b.Run(fmt.Sprintf("gc=%d", gcPercent), func(b *testing.B) {
			defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
			sink := newSink(b, nil)
			for b.Loop() {
				f := submit(b, sink.addr(), func(o *Options, s *SubmissionOptions) {
					o.MaxInFlight, s.MaxClients, s.MaxOfOne, s.IdleTimeout = 40, 2*idleSessions, 2*idleSessions, time.Hour
				})
				before := memory()
				end := clients(b, f.addrs["submissions"], idleSessions)
				sink.forget()
				after := memory()
				start := collecting()
				for range 10 {
					runtime.GC()
				}
				b.ReportMetric((collecting()-start)/10*1000, "CPU-ms/collection")
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1024/idleSessions, "KiB-heap/session")
				b.ReportMetric(float64(after.StackInuse-before.StackInuse)/1024/idleSessions, "KiB-stack/session")
				end()
			}
		})
	}
}

// forget has the sink keep nothing of what it got.
func (s *sink) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = nil
}

// BenchmarkSubmission has a client send messages: each on a connection of its own, with a
// handshake and a login, or all on one. What the client does counts, too.
func BenchmarkSubmission(b *testing.B) {
	text := wire(strings.Repeat("some text in a chat, of a line's length, that is encrypted\r\n", textSize/60)) + ".\r\n"
	for _, kind := range []string{"connection each", "one connection"} {
		b.Run(kind, func(b *testing.B) {
			sink := newSink(b, nil)
			f := submit(b, sink.addr(), nil)
			c := f.login()
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if kind == "connection each" {
					c.conn.Close()
					c = f.login()
				}
				c.send("MAIL FROM:<free@our.test>\r\nRCPT TO:<b@far.test>\r\nDATA\r\n")
				for range 3 {
					if _, err := c.reply(); err != nil {
						b.Fatal(err)
					}
				}
				c.send(text)
				c.want("250")
				if n%100 == 0 {
					sink.forget()
				}
			}
		})
	}
}

func memory() (m runtime.MemStats) {
	for range 5 { // stacks shrink by half in each
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m
}

// collecting is the processor time of all collections so far, in seconds.
func collecting() float64 {
	sample := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64() - sample[1].Value.Float64()
}

// clients runs a process of clients until end is called, and returns once each has sent its message.
func clients(b *testing.B, address string, n int) (end func()) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", clientsEnv, address, n))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		b.Fatalf("got %q, %v", line, err)
	}
	return func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	}
}
