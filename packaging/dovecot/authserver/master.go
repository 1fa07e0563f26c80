package authserver

import (
	"context"
	"fmt"

	"chatmaild/applets/service/accept"
	"chatmaild/packaging/dovecot/authproto"
)

// flushAt is how many bytes of a list are written at once.
const flushAt = 8 << 10

// master is a connection of the master side. Its requests are answered one after
// the other, as its client sends them.
type master struct {
	server *Server
	*conn
	logins bool // it may ask who has logged in
}

func (m *master) run(ctx context.Context) error {
	met := m.deadline(handshakeTimeout)
	err := m.greet(authproto.AppendMasterHandshake(nil, m.server.PID))
	if met(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		line, err := m.next()
		if err != nil {
			return err
		}
		if err := m.answer(context.WithoutCancel(ctx), line); err != nil {
			return err
		}
	}
	return nil
}

func (m *master) answer(ctx context.Context, line authproto.Line) error {
	ctx, cancel := accept.Within(ctx, requestTimeout)
	defer cancel()
	switch line.Command {
	case authproto.CmdRequest:
		r, err := line.Login()
		if err != nil {
			return err
		}
		return m.whose(r)
	case authproto.CmdUser, authproto.CmdPass:
		id, name, err := line.Named()
		if err != nil {
			return err
		}
		return m.lookup(ctx, line.Command, id, name)
	case authproto.CmdList:
		id, err := line.ID()
		if err != nil {
			return err
		}
		return m.list(ctx, id)
	}
	return unknown(line)
}

// whose answers who has logged in.
func (m *master) whose(r authproto.Login) error {
	if !m.logins {
		return fmt.Errorf("%w: REQUEST on a socket for look-ups", authproto.ErrBroken)
	}
	user, ok := m.server.clients.take(r)
	if !ok {
		m.server.Log.Warn("imap asked for a login that is not waiting for it", "process", r.ClientPID)
		return m.send(authproto.AppendFault(nil, r.ID))
	}
	return m.send(authproto.AppendUser(nil, r.ID, user))
}

// lookup answers whether there is such a user.
func (m *master) lookup(ctx context.Context, command string, id uint32, name string) error {
	user, found, err := m.server.Handler.User(ctx, name)
	switch {
	case err != nil:
		return m.send(authproto.AppendFault(nil, id))
	case !found:
		return m.send(authproto.AppendNotFound(nil, id))
	case command == authproto.CmdPass:
		return m.send(authproto.AppendPass(nil, id, user))
	default:
		return m.send(authproto.AppendUser(nil, id, user))
	}
}

// list names all users. What the peer has not read yet is never more than flushAt.
func (m *master) list(ctx context.Context, id uint32) error {
	var out []byte
	var broken error
	err := m.server.Handler.Users(ctx, func(user string) error {
		if out = authproto.AppendListed(out, id, user); len(out) >= flushAt {
			broken, out = m.send(out), out[:0]
		}
		return broken
	})
	if broken != nil {
		return broken
	}
	return m.send(authproto.AppendDone(out, id, err != nil))
}
