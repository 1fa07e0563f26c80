package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Arrivals notes when mail comes to lie in mailboxes, by inotify(7) from
// outside of the host: that costs it nothing and rests on no log.
type Arrivals struct {
	file *os.File

	mu      sync.Mutex
	boxes   map[uint32]string // watch descriptor to address
	times   map[string][]time.Time
	log     strings.Builder // a line for each
	changed chan struct{}   // closed at the next arrival
}

// WatchMail begins to watch the inboxes of some addresses.
func (r *Relay) WatchMail(addresses ...string) (*Arrivals, error) {
	leader, err := r.Leader()
	if err != nil {
		return nil, err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watching mailboxes: %w", err)
	}
	a := &Arrivals{
		file:    os.NewFile(uintptr(fd), "inotify"),
		boxes:   map[uint32]string{},
		times:   map[string][]time.Time{},
		changed: make(chan struct{}),
	}
	for _, addr := range addresses {
		box := fmt.Sprintf("/proc/%d/root/home/vmail/mail/%s/%s/new", leader, r.Domain, strings.ToLower(addr))
		watch, err := unix.InotifyAddWatch(fd, box, unix.IN_MOVED_TO|unix.IN_CREATE)
		if err != nil {
			a.Close()
			return nil, fmt.Errorf("watching %s: %w", path.Base(path.Dir(box)), err)
		}
		a.boxes[uint32(watch)] = addr
	}
	go a.read()
	return a, nil
}

func (a *Arrivals) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := a.file.Read(buf)
		if err != nil {
			return
		}
		now := time.Now()
		a.mu.Lock()
		for event := buf[:n]; len(event) >= unix.SizeofInotifyEvent; {
			addr, end := a.boxes[binary.NativeEndian.Uint32(event)], unix.SizeofInotifyEvent+binary.NativeEndian.Uint32(event[12:])
			a.times[addr] = append(a.times[addr], now)
			fmt.Fprintf(&a.log, "%s %s %s\n", now.Format("15:04:05.000"), addr, unix.ByteSliceToString(event[unix.SizeofInotifyEvent:end]))
			event = event[end:]
		}
		close(a.changed)
		a.changed = make(chan struct{})
		a.mu.Unlock()
	}
}

// After waits for the first arrival for an address after a moment.
func (a *Arrivals) After(ctx context.Context, addr string, moment time.Time) (time.Time, error) {
	for {
		a.mu.Lock()
		for _, at := range a.times[addr] {
			if at.After(moment) {
				a.mu.Unlock()
				return at, nil
			}
		}
		changed := a.changed
		a.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("waiting for mail to arrive: %w", ctx.Err())
		}
	}
}

// Count is how many mails have arrived since the watch began.
func (a *Arrivals) Count() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, times := range a.times {
		n += len(times)
	}
	return n
}

// String has a line for each mail: when it came, for whom, and its file's name, which has its
// size.
func (a *Arrivals) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.String()
}

// Close ends the watch.
func (a *Arrivals) Close() error { return a.file.Close() }
