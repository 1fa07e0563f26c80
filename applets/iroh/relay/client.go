package relay

import (
	"crypto/rand"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"chatmaild/applets/iroh/frame"
)

// client is who has an address.
type client struct {
	server    *Server
	key       frame.Key
	conn      net.Conn
	limit     *rate.Limiter
	pingAfter time.Duration
	done      chan struct{} // closed with the connection

	// Times since the server began, of what it said last, of the last ping, and of the
	// first part of a frame that is not there as a whole; 0: never, and none.
	heard, pinged, began atomic.Int64

	mu      sync.Mutex
	out     []byte // frames that wait
	writing bool
	closed  bool

	writer sync.WaitGroup // what writes: it begins under mu, and not after closed
}

// serve does what the client asks for, until it is gone.
func (c *client) serve(in *input) {
	pause := time.Duration(0)
	for {
		err := c.frames(in)
		if err == nil {
			err = c.wait(in, pause)
		}
		var n int
		if err == nil {
			n, err = in.read()
		}
		switch {
		case err == nil:
		case errors.Is(err, errMemory):
			c.server.options.Events.Refused(Memory)
			return
		case errors.Is(err, errFrame):
			c.server.options.Events.Refused(Malformed)
			return
		default:
			return
		}
		now := time.Now()
		c.heard.Store(int64(c.server.elapsed()))
		pause = c.limit.ReserveN(now, n).DelayFrom(now)
	}
}

// wait lets the time pass for which the client has already sent.
func (c *client) wait(in *input, pause time.Duration) error {
	if pause == 0 {
		return nil
	}
	if err := in.store(); err != nil {
		return err
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.done:
	}
	return nil
}

// errFrame ends a connection by which something comes that no client sends.
var errFrame = errors.New("no frame of a client")

// frames does what the frames want that are there.
func (c *client) frames(in *input) error {
	now, whole, relayed := time.Now(), false, 0
	var to *client // of the packet before: most go where that went
	for {
		f, ok, err := in.next()
		if err != nil {
			return errFrame
		}
		if !ok {
			break
		}
		whole = true
		switch f.Type {
		case frame.SendPacket:
			if to == nil || to.key != f.Key {
				to = c.server.find(f.Key)
			}
			if c.forward(to, f.Data, now) {
				relayed += len(f.Data)
			}
		case frame.Ping:
			c.enqueue(frame.Frame{Type: frame.Pong, Data: f.Data}, true)
		case frame.Pong, frame.KeepAlive, frame.NotePreferred:
		default:
			return errFrame
		}
	}
	if relayed > 0 {
		c.server.options.Events.Relayed(relayed)
	}
	if !in.partial() {
		c.began.Store(0)
	} else if whole || c.began.Load() == 0 {
		c.began.Store(int64(c.server.elapsed()))
	}
	return nil
}

// forward sends a packet on, and reports whether it was not dropped.
func (c *client) forward(to *client, packet []byte, now time.Time) bool {
	switch {
	case to == nil:
		c.server.options.Events.Refused(Absent)
		return false
	case !c.server.all.AllowN(now, len(packet)):
		c.server.options.Events.Refused(Bandwidth)
		return false
	}
	return to.enqueue(frame.Frame{Type: frame.ReceivePacket, Key: c.key, Data: packet}, frame.Disco(packet))
}

var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// enqueue has the frame written, unless too much waits already. What is urgent has room
// of its own.
func (c *client) enqueue(f frame.Frame, urgent bool) bool {
	most, size := maxQueue-reserve, f.Size()
	if urgent {
		most = maxQueue
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		c.server.options.Events.Refused(Absent)
		return false
	case len(c.out)+size > most:
		c.server.options.Events.Refused(Queue)
		return false
	case !c.server.memory.take(size):
		c.server.options.Events.Refused(Memory)
		return false
	}
	if c.out == nil {
		c.out = (*writeBuffers.Get().(*[]byte))[:0]
	}
	c.out = frame.Append(c.out, f)
	if !c.writing {
		c.writing = true
		c.writer.Go(c.write)
	}
	return true
}

// write writes until nothing waits. It runs only while something does.
func (c *client) write() {
	for {
		c.mu.Lock()
		b := c.out
		c.out = nil
		if len(b) == 0 {
			c.writing = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		err := c.conn.SetWriteDeadline(time.Now().Add(writeTime))
		if err == nil {
			_, err = c.conn.Write(b)
		}
		c.server.memory.give(len(b))
		if cap(b) <= 2*maxQueue {
			writeBuffers.Put(&b)
		}
		if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
			c.server.options.Events.Refused(Silent)
		}
		if err != nil {
			c.close()
		}
	}
}

// check asks the client whether it is there, and ends what takes too long.
func (c *client) check(now time.Duration) {
	heard, pinged, began := time.Duration(c.heard.Load()), time.Duration(c.pinged.Load()), time.Duration(c.began.Load())
	switch {
	case began != 0 && now-began > frameTime, pinged > heard && now-pinged > pongTime:
		c.server.options.Events.Refused(Silent)
		c.close()
	case pinged <= heard && now-heard > c.pingAfter:
		var data [8]byte
		rand.Read(data[:])
		c.pinged.Store(int64(now))
		c.enqueue(frame.Frame{Type: frame.Ping, Data: data[:]}, true)
	}
}

// close ends the connection; serve and write notice.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	c.server.memory.give(len(c.out))
	c.out = nil
	close(c.done)
	c.conn.Close()
}
