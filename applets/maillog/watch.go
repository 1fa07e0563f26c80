package maillog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"chatmaild/applets/maillog/control"
)

const (
	maxWatchers  = 4
	maxUnread    = 2000 // lines that a watcher may be behind
	askTimeout   = 5 * time.Second
	writeTimeout = 10 * time.Second
)

// watched sends lines, as they were written, to those who watch.
type watched struct {
	mu       sync.Mutex
	watchers map[chan string]bool
}

var errWatchers = errors.New("too many watch the log already")

func (w *watched) add() (chan string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.watchers) >= maxWatchers {
		return nil, errWatchers
	}
	if w.watchers == nil {
		w.watchers = make(map[chan string]bool)
	}
	lines := make(chan string, maxUnread)
	w.watchers[lines] = true
	return lines, nil
}

func (w *watched) remove(lines chan string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.watchers, lines)
}

// line shows a line to all. One who reads too slowly misses it.
func (w *watched) line(text []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.watchers) == 0 {
		return
	}
	s := string(text)
	for lines := range w.watchers {
		select {
		case lines <- s:
		default:
		}
	}
}

// inquiries answers those who ask (package control), until ctx is done.
func (d *daemon) inquiries(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var asking sync.WaitGroup
	defer asking.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			cancel()
			if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("waiting for those who ask: %w", err)
		}
		asking.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			if err := d.answer(ctx, conn); err != nil {
				fmt.Fprintf(conn, "error %v\n", err)
			}
		})
	}
}

func (d *daemon) answer(ctx context.Context, conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(askTimeout)); err != nil {
		return err
	}
	request, err := bufio.NewReader(io.LimitReader(conn, control.MaxRequest)).ReadString('\n')
	if err != nil {
		return errors.New("the request is not terminated")
	}
	verb, argument, _ := strings.Cut(strings.TrimSuffix(request, "\n"), " ")
	switch verb {
	case "name":
		_, err := fmt.Fprintln(conn, d.names.name(argument))
		return err
	case "watch":
		seconds, err := strconv.Atoi(argument)
		if err != nil || seconds < 1 || seconds > int(control.MaxWatch/time.Second) {
			return fmt.Errorf("watch %s: want between 1 and %d seconds", argument, int(control.MaxWatch/time.Second))
		}
		return d.show(ctx, conn, time.Duration(seconds)*time.Second)
	}
	return fmt.Errorf("unknown request %q", verb)
}

// show writes lines until the time is over or the watcher has gone.
func (d *daemon) show(ctx context.Context, conn net.Conn, long time.Duration) error {
	lines, err := d.watched.add()
	if err != nil {
		return err
	}
	defer d.watched.remove(lines)
	over, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	go func() {
		// Nothing more is asked; the end says that the watcher has gone.
		_ = conn.SetReadDeadline(time.Time{})
		_, _ = io.Copy(io.Discard, conn)
		cancel()
	}()
	for {
		select {
		case <-over.Done():
			return nil
		case line := <-lines:
			if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
				return nil
			}
			if _, err := io.WriteString(conn, line+"\n"); err != nil {
				return nil // it has gone
			}
		}
	}
}
