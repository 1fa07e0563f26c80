package doveauth

import (
	"context"
	"log/slog"
	"time"

	"chatmaild/applets/accounts"
	"chatmaild/applets/config"
	"chatmaild/applets/service/metric"
	"chatmaild/store/census"
	"chatmaild/store/directory/postgres"
	"chatmaild/store/directory/roll"
)

// MachinesMetrics is what doveauth tells of the other machines of the relay, and of the
// directory that they share.
type MachinesMetrics struct {
	asked             *metric.Histograms
	failures          *metric.Values
	all, ci, others   *metric.Value
	answers, draining *metric.Values
	versions          *metric.Value
}

// NewMachinesMetrics adds to set what doveauth tells of machines of these names.
func NewMachinesMetrics(set *metric.Set, machines ...string) *MachinesMetrics {
	server := metric.Label{Name: "server", Values: []string{postgres.CopyServer, postgres.WriterServer}}
	machine := metric.Label{Name: "machine", Values: machines}
	return &MachinesMetrics{
		all:    set.Gauge("chatmaild_relay_accounts", "Accounts of all machines").At(),
		ci:     set.Gauge("chatmaild_relay_ci_accounts", "Accounts of all machines that were created by automatic tests").At(),
		others: set.Gauge("chatmaild_relay_nonci_accounts", "Accounts of all machines except those of automatic tests").At(),
		asked:  set.Histogram("chatmaild_directory_seconds", "Time until a server of the directory of accounts answered: this machine's copy, or the writer", metric.Latency(), server),
		failures: set.Counter("chatmaild_directory_failures_total",
			"Questions to the directory of accounts that failed; after each, nothing is asked of the server for a second", server),
		answers:  set.Gauge("chatmaild_machine_answers", "1 for each other machine that answers this one, 0 for one that does not; omitted for one that joins or is lost", machine),
		draining: set.Gauge("chatmaild_machine_draining", "1 for each machine whose accounts are moved to others, 0 for others", machine),
		versions: set.Gauge("chatmaild_machine_versions", "Versions of chatmaild on the machines; more than 1 while they are upgraded").At(),
	}
}

// observe implements what postgres.Directory.Observe calls.
func (m *MachinesMetrics) observe(server string, took time.Duration, failed bool) {
	m.asked.At(server).Took(took)
	if failed {
		m.failures.At(server).Add(1)
	}
}

// follow has the metrics read before each scrape what is known of the machines.
func (m *MachinesMetrics) follow(set *metric.Set, conf *config.Config, machines *roll.Roll) {
	flag := func(v bool) float64 {
		if v {
			return 1
		}
		return 0
	}
	set.Before(func() {
		for _, member := range config.Members(conf) {
			m.draining.At(member.Name).Set(flag(machines.Draining(member.Name)))
			answers := metric.Unknown
			if member.Name != conf.Cluster.Name && !member.Joining && !machines.Lost(member.Name) {
				answers = flag(machines.Alive(member.Name))
			}
			m.answers.At(member.Name).Set(answers)
		}
	})
}

// What is read as a whole is read so often, and takes that part of the time at most.
const (
	countEvery   = 10 * time.Second
	countShare   = 100
	countTimeout = time.Minute
)

// count counts what is in this machine's copy of the directory, until ctx is done.
func (m *MachinesMetrics) count(ctx context.Context, conf *config.Config, log *slog.Logger) {
	known := true
	for {
		start := time.Now()
		err := m.look(ctx, conf)
		if ctx.Err() != nil {
			return
		}
		if err != nil && known {
			log.Warn("the metrics do not count the relay's accounts", "error", err)
		}
		known = err == nil
		select {
		case <-time.After(max(countEvery, countShare*time.Since(start))):
		case <-ctx.Done():
			return
		}
	}
}

func (m *MachinesMetrics) look(ctx context.Context, conf *config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	m.versions.Set(metric.Unknown)
	// A directory of an earlier version has none.
	if all, err := postgres.Versions(ctx, accounts.Copy(accounts.Role)); err == nil {
		m.versions.Set(float64(different(conf, all)))
	}
	ci, all, err := postgres.Count(ctx, accounts.Copy(accounts.Role), census.Automatic)
	if err != nil {
		for _, v := range []*metric.Value{m.all, m.ci, m.others} {
			v.Set(metric.Unknown)
		}
		return err
	}
	m.all.Set(float64(all))
	m.ci.Set(float64(ci))
	m.others.Set(float64(all - ci))
	return nil
}

// different counts the versions of the machines. One that has not said its own has an earlier
// one, unless none has.
func different(conf *config.Config, versions map[string]string) int {
	all := map[string]bool{}
	for _, member := range config.Confirming(conf) {
		all[versions[member.Name]] = true
	}
	return len(all)
}
