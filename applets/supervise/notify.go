package supervise

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"chatmaild/applets/supervise/process"
)

// notify is the socket at which a service tells its state: sd_notify(3).
type notify struct {
	path  string
	conn  *net.UnixConn
	ready chan struct{} // closed once it is

	mu    sync.Mutex
	timer *time.Timer // of the watchdog
	limit time.Duration
}

// listenNotify makes the socket, for the service alone.
func listenNotify(dir, name string, id process.Identity) (*notify, error) {
	if err := public(dir); err != nil {
		return nil, err
	}
	n := &notify{path: filepath.Join(dir, name), ready: make(chan struct{})}
	if err := removeSocket(n.path); err != nil {
		return nil, err
	}
	var err error
	if n.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: n.path, Net: "unixgram"}); err != nil {
		return nil, fmt.Errorf("listening for notifications: %w", err)
	}
	if err := give(n.path, id.UID, id.GID); err != nil {
		n.close()
		return nil, err
	}
	go n.read()
	return n, nil
}

func (n *notify) read() {
	buf := make([]byte, 4096)
	for ready := false; ; {
		size, err := n.conn.Read(buf)
		if err != nil {
			return
		}
		lines := strings.Split(string(buf[:size]), "\n")
		if !ready && slices.Contains(lines, "READY=1") {
			ready = true
			close(n.ready)
		}
		if slices.Contains(lines, "WATCHDOG=1") {
			n.alive()
		}
	}
}

func (n *notify) alive() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.timer != nil {
		n.timer.Reset(n.limit)
	}
}

// watch returns a channel that tells when the service has said nothing for so long.
func (n *notify) watch(limit time.Duration) <-chan time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.timer, n.limit = time.NewTimer(limit), limit
	return n.timer.C
}

func (n *notify) close() {
	n.conn.Close()
	_ = os.Remove(n.path)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.timer != nil {
		n.timer.Stop()
	}
}
