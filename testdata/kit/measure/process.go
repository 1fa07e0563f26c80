// Package measure is what the benches share: it runs what they measure, reads what that
// takes, and finds the middle of several runs.
package measure

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = time.Minute
	retry        = 5 * time.Millisecond
)

// A Process is a program that is measured while it runs.
type Process struct{ cmd *exec.Cmd }

// Start starts a program, and returns once it answers. If it does not, the error has what it
// said.
func Start(cmd *exec.Cmd, answers func() error) (*Process, error) {
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd}
	for end := time.Now().Add(startTimeout); ; time.Sleep(retry) {
		err := answers()
		if err == nil {
			return p, nil
		}
		if time.Now().After(end) {
			p.Stop()
			return nil, fmt.Errorf("%s does not answer: %w: %s", cmd, err, said.String())
		}
	}
}

// Self is this program once more, with other arguments: the floor, in a process of its own.
func Self(args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	return exec.Command(self, args...), err
}

// Listening asks whether there is a listener at an address.
func Listening(network, address string) func() error {
	return func() error {
		conn, err := net.Dial(network, address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// Stop ends the program as systemd does.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

// Kill ends it as a crash does.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

func (p *Process) end(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s)
	_ = p.cmd.Wait() // it says that it was ended
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// PSS is the proportional set size, in MiB.
func (p *Process) PSS() (float64, error) { return memory(p.PID(), "smaps_rollup", "Pss:") }

// Peak is the most memory that was resident, in MiB.
func (p *Process) Peak() (float64, error) { return memory(p.PID(), "status", "VmHWM:") }

// CPU is the processor time that all threads have used, to 10 ms.
func (p *Process) CPU() (time.Duration, error) { return cpu(p.PID()) }

// Switches is how often threads have given up a processor by themselves, to wait.
func (p *Process) Switches() (int, error) { return switches(p.PID()) }

// Median returns the middle one of a figure of several runs; 0 without runs.
func Median[T any](runs []T, of func(T) float64) float64 {
	if len(runs) == 0 {
		return 0
	}
	var all []float64
	for _, r := range runs {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
