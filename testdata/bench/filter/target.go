package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"chatmaild/testdata/kit/measure"
)

// target is what messages are sent to.
type target struct {
	name, addr       string
	*measure.Process // nil: this program itself, of which only the time counts
}

// startFilter runs filtermail-out with a config of its own in dir.
func startFilter(binary, dir, queuePort string) (*target, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(addr)
	config := filepath.Join(dir, "chatmail.toml")
	text := fmt.Sprintf("mail_domain = \"bench.test\"\nmax_user_send_per_minute = 10000000\nmax_user_send_burst_size = 100000\n"+
		"filtermail_smtp_port = %s\npostfix_reinject_port = %s\n", port, queuePort)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("chrt", "--batch", "0", binary, "filtermail-out", "--config", config) // as its unit has it
	return start("filter", addr, cmd)
}

// startRelay runs this program as a relay.
func startRelay(queue string) (*target, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd, err := measure.Self("-relay", queue)
	if err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{file}
	return start("relay", l.Addr().String(), cmd)
}

func start(name, addr string, cmd *exec.Cmd) (*target, error) {
	process, err := measure.Start(cmd, measure.Listening("tcp", addr))
	return &target{name, addr, process}, err
}

// took is the processor time so far, and the most memory in MiB.
func (t *target) took() (cpu time.Duration, peak float64, err error) {
	if t.Process == nil {
		return 0, 0, nil
	}
	cpu, err1 := t.CPU()
	peak, err2 := t.Peak()
	return cpu, peak, errors.Join(err1, err2)
}

func (t *target) stop() {
	if t.Process != nil {
		t.Kill()
	}
}
