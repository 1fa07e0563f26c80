package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one that is measured.
type process struct{ cmd *exec.Cmd }

// daemon is an iroh daemon of the bench's own.
type daemon struct {
	process
	dir, socket string
}

func startDaemon(binary string) (*daemon, error) {
	dir, err := os.MkdirTemp("", "bench-iroh")
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "chatmail.toml")
	text := fmt.Sprintf("mail_domain = \"bench.test\"\nstate_dir = %q\nruntime_dir = %q\nmax_iroh_clients = 10000\n"+
		"max_iroh_bandwidth = \"100G\"\nmax_iroh_client_bandwidth = \"100G\"\n", dir, dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	d := &daemon{process{exec.Command(binary, "iroh", "--config", conf)}, dir, filepath.Join(dir, "iroh.socket")}
	d.cmd.Stderr = os.Stderr
	d.cmd.Env = append(os.Environ(), "GOMEMLIMIT=220MiB", "GOMAXPROCS=1") // as its unit has it
	return d, d.start("unix", d.socket)
}

func (d *daemon) stop() {
	d.process.stop()
	os.RemoveAll(d.dir)
}

// start starts the process and waits until it listens.
func (p process) start(network, address string) error {
	if err := p.cmd.Start(); err != nil {
		return err
	}
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial(network, address)
		if err == nil {
			return conn.Close()
		}
		if time.Since(start) > 10*time.Second {
			p.stop()
			return errors.Join(errors.New("it does not listen"), err)
		}
	}
}

func (p process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait() // it says that it was killed
}

// pss is the proportional set size in MiB, two seconds from now: a daemon gives back what
// its start took.
func (p process) pss() (float64, error) {
	time.Sleep(2 * time.Second)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "\nPss:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, errors.New("smaps_rollup has no Pss")
	}
	kib, err := strconv.ParseFloat(fields[0], 64)
	return kib / 1024, err
}

// cpu is the processor time that the process has used.
func (p process) cpu() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// Behind the name, which may have blanks, utime and stime are the 12th and 13th.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}
