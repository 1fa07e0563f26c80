// Package process starts programs and reaps whatever ends, as process 1 of a container has
// to: also what its children have left behind (PR_SET_CHILD_SUBREAPER where it is not
// process 1).
//
// One goroutine waits for all children, so nothing else in the program may start one: the
// status that os/exec waits for would be gone.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Processes are the children of this process.
type Processes struct {
	mu    sync.Mutex
	alive map[int]*Process
}

// Process is a child, the leader of a session and a process group of its own.
type Process struct {
	PID    int
	ended  chan struct{}
	status syscall.WaitStatus
}

// New begins to reap. It is called once.
func New() (*Processes, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("becoming the parent of orphans: %w", err)
	}
	p := &Processes{alive: map[int]*Process{}}
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	go func() {
		for range died {
			p.reap()
		}
	}()
	return p, nil
}

// reap takes the status of every child that has ended.
func (p *Processes) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		// Held while a child is started, so one that ends at once is known here.
		p.mu.Lock()
		child := p.alive[pid]
		delete(p.alive, pid)
		p.mu.Unlock()
		if child != nil {
			child.status = status
			close(child.ended)
		}
	}
}

// Start starts a program with these open files: the first three are its standard ones.
func (p *Processes) Start(args, env []string, files []*os.File) (*Process, error) {
	fds := make([]uintptr, 0, len(files))
	for _, f := range files {
		fds = append(fds, f.Fd())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pid, err := syscall.ForkExec(args[0], args, &syscall.ProcAttr{
		Dir: "/", Env: env, Files: fds, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", args[0], err)
	}
	child := &Process{PID: pid, ended: make(chan struct{})}
	p.alive[pid] = child
	return child, nil
}

// Ended is closed once the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Status is how the process ended, once it has.
func (p *Process) Status() syscall.WaitStatus { return p.status }

// Err says how the process ended, once it has; nil stands for the exit status 0.
func (p *Process) Err() error {
	switch {
	case p.status.Exited() && p.status.ExitStatus() == 0:
		return nil
	case p.status.Signaled():
		return fmt.Errorf("killed by signal %d (%v)", p.status.Signal(), p.status.Signal())
	default:
		return fmt.Errorf("exit status %d", p.status.ExitStatus())
	}
}

// Signal signals the process alone.
func (p *Process) Signal(s syscall.Signal) error { return p.kill(p.PID, s) }

// SignalGroup signals all that the process has started and that is still of its group. It
// works as well once the process itself has ended.
func (p *Process) SignalGroup(s syscall.Signal) error { return p.kill(-p.PID, s) }

// GroupEmpty reports whether nothing is left of the process and its group.
func (p *Process) GroupEmpty() bool { return errors.Is(syscall.Kill(-p.PID, 0), syscall.ESRCH) }

func (p *Process) kill(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending signal %d to process %d: %w", s, pid, err)
	}
	return nil
}
