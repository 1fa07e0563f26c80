package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is one of the two that are measured.
type process struct {
	name, addr string
	cmd        *exec.Cmd // nil: this process, which is not accounted
}

// startFilter runs filtermail-out with a config of its own in dir.
func startFilter(binary, dir, queuePort string) (*process, error) {
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
func startRelay(queue string) (*process, error) {
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
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-relay", queue)
	cmd.ExtraFiles = []*os.File{file}
	return start("relay", l.Addr().String(), cmd)
}

// start starts cmd and waits until addr is answered.
func start(name, addr string, cmd *exec.Cmd) (*process, error) {
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name, addr, cmd}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return p, nil
		}
		if time.Now().After(end) {
			p.stop()
			return nil, fmt.Errorf("the %s does not start: %s", name, said.String())
		}
	}
}

func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *process) proc(file string) string {
	if p.cmd == nil {
		return ""
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	if err != nil {
		return ""
	}
	return string(b)
}

// cpu is the time that all threads have spent so far, in steps of 10 ms.
func (p *process) cpu() time.Duration {
	stat := p.proc("stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / 100
}

// peak is the greatest memory (VmHWM) in bytes since the start.
func (p *process) peak() int64 {
	_, after, _ := strings.Cut(p.proc("status"), "VmHWM:")
	kib, _, _ := strings.Cut(after, "kB")
	n, _ := strconv.ParseInt(strings.TrimSpace(kib), 10, 64)
	return n << 10
}
