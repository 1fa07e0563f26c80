package postgres

import (
	"context"
	"time"
)

// Certificates is what the machines of a relay share of its certificate: the machine of the
// writer gets it. Each asks its own server alone, where its user is known without a password.
type Certificates struct {
	server *server
	host   string // of the relay
}

// OpenCertificates returns that of a host. The server is this machine's; its role is a member of
// chatmaild_certifier. It connects to nothing yet.
func OpenCertificates(server, host string) (*Certificates, error) {
	s, err := newServer(server, settingDeadline, time.Now)
	if err != nil {
		return nil, err
	}
	return &Certificates{s, host}, nil
}

// settingDeadline is for what nobody waits for.
const settingDeadline = 10 * time.Second

// Close closes the connections that are not in use.
func (c *Certificates) Close() { c.server.close() }

// Orders reports whether this machine gets the certificate: it has the writer.
func (c *Certificates) Orders(ctx context.Context) (bool, error) {
	rows, _, err := c.server.query(ctx, "SELECT NOT pg_is_in_recovery()")
	if err != nil {
		return false, err
	}
	return decodeBool(rows[0][0])
}

// Published returns the certificate, PEM with its chain; nil if there is none yet.
func (c *Certificates) Published(ctx context.Context) ([]byte, error) {
	rows, _, err := c.server.query(ctx, "SELECT chain FROM certificates WHERE host = $1", c.host)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0][0], nil
}

// Publish gives it to all machines.
func (c *Certificates) Publish(ctx context.Context, chain []byte) error {
	_, _, err := c.server.query(ctx, "INSERT INTO certificates VALUES ($1, $2) ON CONFLICT (host) DO UPDATE SET chain = excluded.chain", c.host, string(chain))
	return err
}

// Present gives all machines the answer to a challenge, and forgets old ones.
func (c *Certificates) Present(ctx context.Context, token, answer string) error {
	if _, _, err := c.server.query(ctx, "DELETE FROM challenges WHERE made < now() - interval '1 hour'"); err != nil {
		return err
	}
	_, _, err := c.server.query(ctx, "INSERT INTO challenges (token, answer) VALUES ($1, $2) ON CONFLICT (token) DO NOTHING", token, answer)
	return err
}

// CleanUp forgets it.
func (c *Certificates) CleanUp(ctx context.Context, token string) error {
	_, _, err := c.server.query(ctx, "DELETE FROM challenges WHERE token = $1", token)
	return err
}

// Answer returns the answer to a challenge; "" if there is none.
func (c *Certificates) Answer(ctx context.Context, token string) (string, error) {
	rows, _, err := c.server.query(ctx, "SELECT answer FROM challenges WHERE token = $1", token)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return string(rows[0][0]), nil
}
