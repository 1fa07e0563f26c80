package program

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts a program that must not outlive us: the kernel sends it a signal
// when the thread that started it ends, and that one ends with us, or with the
// program. It is in a session of its own, so a ^C at our terminal is for us
// alone to act on. The channel is closed when the program has ended.
func Start(cmd *exec.Cmd, death syscall.Signal) (<-chan struct{}, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: death, Setsid: true}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // how it ended is not of interest; that it did, is
			close(ended)
		}
	}()
	return ended, <-started
}
