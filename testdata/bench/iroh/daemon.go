package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"chatmaild/testdata/kit/measure"
)

// daemon is an iroh daemon of the bench's own.
type daemon struct {
	*measure.Process
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
	cmd := exec.Command(binary, "iroh", "--config", conf)
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=220MiB", "GOMAXPROCS=1") // as its unit has it
	socket := filepath.Join(dir, "iroh.socket")
	process, err := measure.Start(cmd, measure.Listening("unix", socket))
	return &daemon{process, dir, socket}, err
}

func (d *daemon) stop() {
	d.Stop()
	os.RemoveAll(d.dir)
}

// idle is the daemon's memory (PSS) in MiB, two seconds from now: it gives back what its
// start took.
func (d *daemon) idle() (float64, error) {
	time.Sleep(2 * time.Second)
	return d.PSS()
}
