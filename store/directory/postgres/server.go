package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// connections is how many a process has open to one server, at most. Each costs the
// server a process of its own.
const connections = 8

// server is a PostgreSQL server, or the one of several that takes changes. Its
// connections are opened when they are needed, and kept.
type server struct {
	config     *pgconn.Config
	deadline   time.Duration // of one query, with all that it waits for, but for connecting
	connecting time.Duration // how much longer one may take that needs a new connection
	breaker    breaker
	asked      func(took time.Duration, failed bool) // nil: nobody observes
	slots      chan struct{}
	idle       chan *connection
}

// connection is one, with the statements that it has prepared.
type connection struct {
	*pgconn.PgConn
	prepared map[string]string // their names, which may have 63 bytes
}

// newServer returns the server of a connection string (libpq's, section 34.1.1 of
// PostgreSQL's documentation).
func newServer(address string, deadline time.Duration, now func() time.Time) (*server, error) {
	config, err := pgconn.ParseConfig(address)
	if err != nil {
		// The library's error quotes the string, which may have a password.
		return nil, errors.New("the address of the directory is not a connection string of PostgreSQL")
	}
	config.RuntimeParams["application_name"] = "chatmaild"
	return &server{
		config: config, deadline: deadline, connecting: max(connectDeadline, deadline/2), breaker: breaker{now: now},
		slots: make(chan struct{}, connections), idle: make(chan *connection, connections),
	}, nil
}

// needs has the server be one that so many others copy.
func (s *server) needs(copies int) {
	validate := s.config.ValidateConnect
	s.config.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if validate != nil {
			if err := validate(ctx, conn); err != nil {
				return err
			}
		}
		if copies == 0 {
			return nil
		}
		result := conn.ExecParams(ctx, "SELECT FROM pg_stat_replication", nil, nil, nil, nil).Read()
		if result.Err != nil {
			return result.Err
		}
		if n := len(result.Rows); n < copies {
			return fmt.Errorf("%d machines copy it, and it needs %d to commit", n, copies)
		}
		return nil
	}
}

// close closes the connections that are not in use.
func (s *server) close() {
	for {
		select {
		case c := <-s.idle:
			ctx, cancel := context.WithTimeout(context.Background(), s.deadline)
			_ = c.Close(ctx)
			cancel()
		default:
			return
		}
	}
}

// query runs a statement, and returns its rows and how many it changed. While the server
// does not answer, it fails at once.
func (s *server) query(ctx context.Context, statement string, args ...string) (rows [][][]byte, changed int64, err error) {
	if err := s.breaker.closed(); err != nil {
		return nil, 0, err
	}
	within, cancel := context.WithTimeout(ctx, s.connecting+s.deadline)
	defer cancel()
	start := s.breaker.now()
	rows, changed, err = s.ask(within, statement, args)
	// That the caller has gone says nothing about the server.
	failed := ctx.Err() == nil && isDown(err)
	if failed {
		s.breaker.failed(err)
	}
	if s.asked != nil {
		s.asked(s.breaker.now().Sub(start), failed)
	}
	return rows, changed, err
}

func (s *server) ask(ctx context.Context, statement string, args []string) ([][][]byte, int64, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, 0, fmt.Errorf("waiting for a connection to the directory: %w", ctx.Err())
	}
	c, err := s.connection(ctx)
	if err != nil {
		return nil, 0, err
	}
	asking, cancel := context.WithTimeout(ctx, s.deadline)
	defer cancel()
	result, err := c.run(asking, statement, args)
	if isDown(err) || c.IsClosed() {
		_ = c.Close(ctx)
	} else {
		s.idle <- c // which has room for all slots
	}
	if err != nil {
		return nil, 0, fmt.Errorf("asking the directory: %w", err)
	}
	return result.Rows, result.CommandTag.RowsAffected(), nil
}

// connection returns an idle connection, or a new one.
func (s *server) connection(ctx context.Context) (*connection, error) {
	for {
		select {
		case c := <-s.idle:
			if !c.IsClosed() {
				return c, nil
			}
		default:
			c, err := connect(ctx, each(s.config), s.connecting)
			if err != nil {
				return nil, fmt.Errorf("connecting to the directory: %w", err)
			}
			return &connection{c, map[string]string{}}, nil
		}
	}
}

// run executes a statement, which stays prepared.
func (c *connection) run(ctx context.Context, statement string, args []string) (*pgconn.Result, error) {
	name, ok := c.prepared[statement]
	if !ok {
		name = strconv.Itoa(len(c.prepared))
		if _, err := c.Prepare(ctx, name, statement, nil); err != nil {
			return nil, err
		}
		c.prepared[statement] = name
	}
	values := make([][]byte, len(args))
	for i, a := range args {
		values[i] = []byte(a)
	}
	result := c.ExecPrepared(ctx, name, values, nil, nil).Read()
	return result, result.Err
}

// isDown reports whether an error is not PostgreSQL's, or says that another server, or a later
// try, is better: it is going down, has no resources, or is not the writer any more
// (appendix A of its documentation).
func isDown(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err != nil
	}
	const readOnly = "25006"
	code := refused.Code
	return code == readOnly || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "57") || strings.HasPrefix(code, "58")
}
