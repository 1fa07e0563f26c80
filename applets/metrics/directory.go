package metrics

import (
	"context"

	"chatmaild/applets/accounts"
	"chatmaild/applets/service/metric"
	"chatmaild/store/directory/postgres"
)

// directoryMetrics is what the metrics daemon sees of the server that has the directory of
// accounts, on a relay of several machines.
type directoryMetrics struct {
	writer, copies, position *metric.Value
}

func newDirectoryMetrics(set *metric.Set) *directoryMetrics {
	m := &directoryMetrics{
		writer: set.Gauge("chatmaild_directory_writer", "1 if this machine has the writer of the directory of accounts, 0 if it has a copy; of one machine at a time it is 1").At(),
		copies: set.Gauge("chatmaild_directory_copies", "Machines that copy the directory of accounts from this one, if it has the writer").At(),
		position: set.Gauge("chatmaild_directory_position_bytes",
			"How much of the directory's log this machine has; a copy lacks what the writer has more").At(),
	}
	m.set(metric.Unknown, metric.Unknown, metric.Unknown)
	return m
}

func (m *directoryMetrics) set(writer, copies, position float64) {
	m.writer.Set(writer)
	m.copies.Set(copies)
	m.position.Set(position)
}

// look asks the server of this machine.
func (m *directoryMetrics) look(ctx context.Context) error {
	address := accounts.Copy(accounts.InvitesRole) // the daemon's own user
	state, err := postgres.Examine(ctx, address)
	copies := 0
	if err == nil && state.Writer {
		copies, err = postgres.Followers(ctx, address)
	}
	if err != nil {
		m.set(metric.Unknown, metric.Unknown, metric.Unknown)
		return err
	}
	if state.Writer {
		m.set(1, float64(copies), float64(state.Position))
	} else {
		m.set(0, metric.Unknown, float64(state.Position))
	}
	return nil
}
