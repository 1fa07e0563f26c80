package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chatmaild/testdata/kit/measure"
)

// daemon is a metadata daemon of the bench's own.
type daemon struct {
	*measure.Process
	socket string
	ready  time.Duration // from its start until it answered
}

// startDaemon starts a daemon whose files are in dir; there may be some.
func startDaemon(binary, dir string, s *service) (*daemon, error) {
	for _, name := range []string{"mail", "state", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	conf := filepath.Join(dir, "chatmail.toml")
	text := fmt.Sprintf("mail_domain = \"bench.test\"\nmailboxes_dir = %q\nstate_dir = %q\nruntime_dir = %q\nnotify_url = %q\n",
		filepath.Join(dir, "mail"), filepath.Join(dir, "state"), filepath.Join(dir, "run"), s.url)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "metadata", "--config", conf)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+s.certFile)
	socket := filepath.Join(dir, "run", "metadata.socket")
	start := time.Now()
	process, err := measure.Start(cmd, func() error { return answers(socket) })
	return &daemon{process, socket, time.Since(start)}, err
}

// answers asks for a value.
func answers(socket string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, hello+"Lpriv/0/devicetoken\tnobody@bench.test\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "N") {
		err = fmt.Errorf("it answers %q", line)
	}
	return err
}

// What Dovecot says.
const (
	hello      = "H3\t2\t0\t\tmetadata\n"
	newMessage = "S1\tpriv/0123/messagenew\t\n"
)

func setToken(token string) string { return "S1\tpriv/0123/devicetoken\t" + token + "\n" }

// feed sends a transaction for each of count accounts over several connections, each of
// which waits for the answer before the next.
func (d *daemon) feed(conns, count int, changes func(int) string) (time.Duration, error) {
	return d.feedFrom(conns, 0, count, changes)
}

func (d *daemon) feedFrom(conns, first, count int, changes func(int) string) (time.Duration, error) {
	var next atomic.Int64
	var all sync.WaitGroup
	faults := make(chan error, conns)
	start := time.Now()
	for range conns {
		all.Go(func() {
			c, err := net.Dial("unix", d.socket)
			if err != nil {
				faults <- err
				return
			}
			defer c.Close()
			in := bufio.NewReader(c)
			out := []byte(hello)
			for {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				i += first
				out = fmt.Appendf(out, "B1\tuser%08d@bench.test\n%sC1\n", i, changes(i))
				if _, err := c.Write(out); err != nil {
					faults <- err
					return
				}
				out = out[:0]
				if line, err := in.ReadString('\n'); err != nil || line[0] != 'O' {
					faults <- fmt.Errorf("the daemon answered %q, %v", line, err)
					return
				}
			}
		})
	}
	all.Wait()
	close(faults)
	return time.Since(start), <-faults
}

// idle is the daemon's memory (PSS) in MiB, once it has given back what it took.
func (d *daemon) idle() (float64, error) {
	time.Sleep(12 * time.Second)
	return d.PSS()
}

func percentile(times []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)*percent/100].Round(10 * time.Microsecond)
}
