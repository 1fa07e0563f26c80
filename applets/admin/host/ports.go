package host

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// stateListen is a listening socket's state in /proc/net/tcp; see
// include/net/tcp_states.h of Linux.
const stateListen = "0A"

// Listener is a program that listens on a TCP port.
type Listener struct {
	Port    int
	Program string // the command's name, "?" if it cannot be told
	PID     int
}

// Listeners returns who listens on TCP ports, sorted by port. As another user
// than root it cannot tell the programs of others.
// From /proc and not from ss(8): a minimal Debian has no iproute2. Without /proc, as in a
// plain chroot, the error is fs.ErrNotExist.
func (h Host) Listeners() ([]Listener, error) {
	if _, err := os.Stat(h.path("/proc/net")); err != nil {
		return nil, fmt.Errorf("listing listening ports: %w", err)
	}
	inodes := map[string]int{} // of the socket → port
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(h.path(table))
		if errors.Is(err, fs.ErrNotExist) {
			continue // no IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("listing listening ports: %w", err)
		}
		scan := bufio.NewScanner(f)
		for scan.Scan() {
			if port, inode, ok := parseListener(scan.Text()); ok {
				inodes[inode] = port
			}
		}
		f.Close()
		if err := scan.Err(); err != nil {
			return nil, fmt.Errorf("reading %s: %w", table, err)
		}
	}
	owners := socketOwners(h.Tree, inodes)
	byPort := map[int]Listener{}
	for inode, port := range inodes {
		l := Listener{Port: port, Program: "?"}
		if pid, ok := owners[inode]; ok {
			l.PID, l.Program = pid, program(h.Tree, pid)
		}
		if known, ok := byPort[port]; !ok || known.Program == "?" {
			byPort[port] = l
		}
	}
	return slices.SortedFunc(maps.Values(byPort), func(a, b Listener) int { return a.Port - b.Port }), nil
}

// parseListener parses a line of /proc/net/tcp: "sl local_address rem_address st
// tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …".
func parseListener(line string) (port int, inode string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != stateListen {
		return 0, "", false
	}
	_, hexPort, found := strings.Cut(fields[1], ":")
	b, err := hex.DecodeString(hexPort)
	if !found || err != nil || len(b) != 2 {
		return 0, "", false
	}
	// The port is in network order here, unlike the address before it.
	return int(b[0])<<8 | int(b[1]), fields[9], true
}

// socketOwners finds for each socket the process with the lowest id that has it
// open: the server itself, not one of its children. systemd, which only keeps
// sockets for others, counts last.
func socketOwners(t Tree, inodes map[string]int) map[string]int {
	owners := map[string]int{}
	fds, _ := filepath.Glob(t.path("/proc/[0-9]*/fd/*"))
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		inode, isSocket := strings.CutPrefix(target, "socket:[")
		inode = strings.TrimSuffix(inode, "]")
		if err != nil || !isSocket {
			continue
		}
		if _, ok := inodes[inode]; !ok {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(fd))))
		if known, ok := owners[inode]; !ok || known == 1 || pid != 1 && pid < known {
			owners[inode] = pid
		}
	}
	return owners
}

// program is the command's name as the kernel has it, cut to 15 bytes.
func program(t Tree, pid int) string {
	name, err := os.ReadFile(t.path(fmt.Sprintf("/proc/%d/comm", pid)))
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(name))
}
