package queue

import (
	"context"
	"fmt"

	"chatmaild/packaging/peer"
)

// Spool is where Postfix keeps its queue (queue_directory).
const Spool = "/var/spool/postfix"

// Postfix's services; both are for group postdrop.
const (
	showqSocket = Spool + "/public/showq"
	flushSocket = Spool + "/public/flush"
)

// Look asks Postfix for its queues. It calls waits for each recipient that a message
// has yet to be delivered to.
func Look(ctx context.Context, waits func(Waiting)) (map[string]Count, error) {
	conn, err := peer.Dial(ctx, "unix", showqSocket)
	if err != nil {
		return nil, fmt.Errorf("asking for Postfix's queues: %w", err)
	}
	defer conn.Close()
	return readShowq(conn, waits)
}

// Try has Postfix try a deferred message at once, whatever it thinks of the destination
// ("postqueue -i"). For a message that is no longer deferred it does nothing.
func Try(ctx context.Context, id string) error {
	conn, err := peer.Dial(ctx, "unix", flushSocket)
	if err != nil {
		return fmt.Errorf("asking Postfix to try a message: %w", err)
	}
	defer conn.Close()
	return askFlush(conn, id)
}
