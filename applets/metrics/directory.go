package metrics

import (
	"context"
	"sync"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/config"
	"chatmaild/applets/service/metric"
	"chatmaild/store/directory/postgres"
)

// directoryMetrics is what the metrics daemon sees of the servers that have the directory of
// accounts, on a relay of several machines.
type directoryMetrics struct {
	machines, writer, copies, position, reaches, lag, slot *metric.Value
	ahead                                                  *metric.Values
	names                                                  []string // those that ahead has
	ask                                                    func(ctx context.Context, address string) (postgres.State, error)
}

func newDirectoryMetrics(set *metric.Set, machines ...string) *directoryMetrics {
	m := &directoryMetrics{
		machines: set.Gauge("chatmaild_directory_machines", "Machines that the directory of accounts is on, or should be").At(),
		writer:   set.Gauge("chatmaild_directory_writer", "1 if this machine has the writer of the directory of accounts, 0 if it has a copy; of one machine at a time it is 1").At(),
		copies:   set.Gauge("chatmaild_directory_copies", "Machines that copy the directory of accounts from this one, if it has the writer").At(),
		position: set.Gauge("chatmaild_directory_position_bytes",
			"How much of the directory's log this machine has; a copy lacks what the writer has more").At(),
		reaches: set.Gauge("chatmaild_directory_writer_reached",
			"1 if this machine reaches a writer that can commit, so that accounts can be created here, 0 if not").At(),
		lag: set.Gauge("chatmaild_directory_lag_bytes", "How much of the directory's log this machine's copy lacks; omitted without a writer").At(),
		slot: set.Gauge("chatmaild_directory_slot_bytes",
			"How much of the directory's log this machine keeps for a replication slot, which the relay itself does not have; 0 if there is none").At(),
		ahead: set.Gauge("chatmaild_machine_clock_ahead_seconds",
			"By how much the clock of each other machine is ahead of this one's; less than 0 if it is behind, and omitted if that is not known", metric.Label{Name: "machine", Values: machines}),
		names: machines,
		ask:   askServer,
	}
	m.forget()
	return m
}

// forget is for what is not known any more.
func (m *directoryMetrics) forget() {
	for _, v := range []*metric.Value{m.machines, m.writer, m.copies, m.position, m.reaches, m.lag, m.slot} {
		v.Set(metric.Unknown)
	}
	for _, name := range m.names {
		m.ahead.At(name).Set(metric.Unknown)
	}
}

// serverTimeout is how long each of the servers may take to answer.
const serverTimeout = 3 * time.Second

// askServer asks the server at an address.
func askServer(ctx context.Context, address string) (postgres.State, error) {
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	return postgres.Examine(ctx, address)
}

// look asks the server of this machine, and the others for the writer.
func (m *directoryMetrics) look(ctx context.Context, conf *config.Config) error {
	members := config.Members(conf)
	others := m.others(ctx, conf)
	own, err := m.ask(ctx, accounts.Copy(accounts.InvitesRole)) // the daemon's own user
	m.forget()
	m.machines.Set(float64(len(members)))
	var writers []postgres.State
	for name, s := range others {
		m.ahead.At(name).Set(s.Ahead.Seconds())
		if s.Writer {
			writers = append(writers, s)
		}
	}
	if err == nil {
		m.position.Set(float64(own.Position))
		m.slot.Set(float64(kept(own)))
		m.writer.Set(0)
	}
	if err == nil && own.Writer {
		m.writer.Set(1)
		m.copies.Set(float64(own.Followers))
		writers = append(writers, own)
	}
	m.reaches.Set(0)
	for _, w := range writers {
		commits := w.Followers >= len(config.Confirming(conf))/2 // else it may have been replaced, and not know it
		if err == nil && (commits || len(writers) == 1) {
			m.lag.Set(float64(w.Position - min(w.Position, own.Position)))
		}
		if commits {
			m.reaches.Set(1)
		}
	}
	return err
}

// others asks the servers of the other machines, and returns what those said that answered, by
// name.
func (m *directoryMetrics) others(ctx context.Context, conf *config.Config) map[string]postgres.State {
	answers := map[string]postgres.State{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, member := range config.Asked(conf) {
		if member.Name == conf.Cluster.Name {
			continue
		}
		all.Go(func() {
			s, err := m.ask(ctx, accounts.InvitesServer(member))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				answers[member.Name] = s
			}
		})
	}
	all.Wait()
	return answers
}

// kept is how much of the log a server keeps for the slot that is furthest behind.
func kept(s postgres.State) (most int64) {
	for _, slot := range s.Slots {
		most = max(most, slot.Kept)
	}
	return most
}
