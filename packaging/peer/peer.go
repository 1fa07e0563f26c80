// Package peer connects to the servers around us.
package peer

import (
	"context"
	"fmt"
	"net"
)

// Dial connects to a server. The connection has ctx's deadline, if there is one.
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			conn.Close()
			return nil, fmt.Errorf("setting a deadline for the connection to %s: %w", address, err)
		}
	}
	return conn, nil
}
