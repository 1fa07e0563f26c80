package dial

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// When a connection is lost: the host's kernel, which does that however busy the host is, has
// not acknowledged anything for so long, and not what was sent again and again meanwhile.
// TCP_USER_TIMEOUT (RFC 5482) would also end connections to hosts that are slow to read.
const (
	silence = 5 * time.Second
	repeats = 3
	look    = time.Second // how often that is looked at while something is not acknowledged
)

// ErrLost is what reading and writing fail with on a connection that is lost.
var ErrLost = errors.New("nothing gets through on this connection any more")

// Patient returns conn with a bound of its own on each write: a host that stops reading is
// given up, however long the whole takes. A lost connection is given up sooner.
func Patient(conn net.Conn, timeout time.Duration) net.Conn {
	p := &patient{Conn: conn, timeout: timeout}
	if tcp, ok := conn.(*net.TCPConn); ok {
		p.state = func() (state, error) { return stateOf(tcp) }
	}
	return p
}

type patient struct {
	net.Conn
	timeout time.Duration
	state   func() (state, error) // nil: nobody knows

	mu      sync.Mutex
	watched bool // the state will be looked at
	lost    bool
}

// Read implements net.Conn.
func (p *patient) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	return n, p.why(err)
}

// Write implements net.Conn.
func (p *patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(p.timeout)); err != nil {
		return 0, p.why(err)
	}
	p.watch()
	n, err := p.Conn.Write(b)
	return n, p.why(err)
}

// why is the reason of an error.
func (p *patient) why(err error) error {
	if err == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lost {
		return ErrLost
	}
	return err
}

// watch looks at the state until all that was written has been acknowledged.
func (p *patient) watch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != nil && !p.watched {
		p.watched = true
		time.AfterFunc(look, p.examine)
	}
}

func (p *patient) examine() {
	p.mu.Lock()
	defer p.mu.Unlock()
	state, err := p.state()
	switch {
	case err != nil || !state.pending: // it is closed, or has nothing under way
		p.watched = false
	case state.lost():
		p.lost = true
		// What was sent must not arrive later: it will be sent by another way.
		if tcp, ok := p.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		p.Close()
	default:
		time.AfterFunc(look, p.examine)
	}
}

// state is that of a connection, as the kernel has it (tcp(7), TCP_INFO).
type state struct {
	pending  bool          // something has not been acknowledged, or not even sent
	repeated int           // how often the same was sent since the last acknowledgement
	silent   time.Duration // since that
}

func (s state) lost() bool { return s.silent >= silence && s.repeated >= repeats }

// stateOf asks the kernel. What cannot be sent at all, for want of the address to send it from,
// counts as a probe; so does what asks a host whether it has room again, until it answers.
func stateOf(conn *net.TCPConn) (s state, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return s, err
	}
	var info *unix.TCPInfo
	var failed error
	err = raw.Control(func(fd uintptr) { info, failed = unix.GetsockoptTCPInfo(int(fd), syscall.IPPROTO_TCP, unix.TCP_INFO) })
	if err := errors.Join(err, failed); err != nil {
		return s, err
	}
	return state{
		pending:  info.Unacked > 0 || info.Notsent_bytes > 0,
		repeated: int(max(info.Retransmits, info.Probes)),
		silent:   time.Duration(info.Last_ack_recv) * time.Millisecond,
	}, nil
}
