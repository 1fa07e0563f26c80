package control

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// EndServers ends the processes that serve clients on ports of which a reload has taken the
// services away. master(8) ends them itself, and does nothing else until they have ended; but
// in Debian 13 it may signal no process of another user (CapabilityBoundingSet= in its unit),
// and would wait until their clients have left.
func (p Postfix) EndServers(ports []int) error {
	servers, err := p.running(server)
	if err != nil {
		return err
	}
	for _, pid := range servers {
		text, err := os.ReadFile(filepath.Join(p.Root, "/proc", strconv.Itoa(pid), "cmdline"))
		if err != nil || !slices.Contains(ports, servedPort(text)) {
			continue // or it has ended
		}
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ending smtpd: %w", err)
		}
	}
	return nil
}

// servedPort is the port of a server's service, by its arguments: "smtpd", "-n", "587", or
// "127.0.0.1:10465"; 0 if it has none.
func servedPort(cmdline []byte) int {
	args := strings.Split(string(bytes.TrimRight(cmdline, "\x00")), "\x00")
	i := slices.Index(args, "-n")
	if i < 0 || i+1 >= len(args) {
		return 0
	}
	port, err := strconv.Atoi(args[i+1][strings.LastIndexByte(args[i+1], ':')+1:])
	if err != nil {
		return 0 // a name, such as smtp
	}
	return port
}
