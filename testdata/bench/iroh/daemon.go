package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"chatmaild/testdata/kit/process"
)

// program is one that is measured.
type program struct{ cmd *exec.Cmd }

// daemon is an iroh daemon of the bench's own.
type daemon struct {
	program
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
	d := &daemon{program{exec.Command(binary, "iroh", "--config", conf)}, dir, filepath.Join(dir, "iroh.socket")}
	d.cmd.Stderr = os.Stderr
	d.cmd.Env = append(os.Environ(), "GOMEMLIMIT=220MiB", "GOMAXPROCS=1") // as its unit has it
	return d, d.start("unix", d.socket)
}

func (d *daemon) stop() {
	d.program.stop()
	os.RemoveAll(d.dir)
}

// start starts the process and waits until it listens.
func (p program) start(network, address string) error {
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

func (p program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait() // it says that it was killed
}

// pss is the proportional set size in MiB, two seconds from now: a daemon gives back what
// its start took.
func (p program) pss() (float64, error) {
	time.Sleep(2 * time.Second)
	return process.PSS(p.cmd.Process.Pid)
}

// cpu is the processor time that the process has used.
func (p program) cpu() time.Duration {
	used, err := process.CPU(p.cmd.Process.Pid)
	if err != nil {
		return 0
	}
	return used
}
