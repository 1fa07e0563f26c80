package lab

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// watched has a Prometheus look at all machines: it sees what the dashboard shows of them, and
// what is wrong.
func (c *several) watched(t *testing.T) {
	w := c.watch(t)
	// Nothing has moved, and nothing is kept or drained.
	rare := []string{"chatmaild_mailbox_move_seconds", "> 0", "chatmaild_machine_draining"}
	w.answers(t, func(row, expr string) bool {
		return row == machinesRow && !slices.ContainsFunc(rare, func(part string) bool { return strings.Contains(expr, part) })
	})
	c.alerts(t, w)
}

// watch starts that Prometheus.
func (c *several) watch(t *testing.T) watcher {
	for _, r := range c.machines {
		sh(t, r, fmt.Sprintf("sed -i '1i metrics_address = \"0.0.0.0:%s\"' %s && chatmaild run --skip-dns-check", metricsPort, configFile))
	}
	return watch(t, c.outside, c.machines...)
}

// public is what everybody sees at each machine: how many accounts there are on all.
func (c *several) public(t *testing.T) {
	ctx := deadline(t, stepTimeout)
	for i, r := range c.machines {
		var rows int
		until(ctx, t, "the accounts of all at "+c.name(i), func() bool {
			var status struct{ Machines []struct{ Accounts int } }
			if err := json.Unmarshal([]byte(sh(t, r, "chatmaild cluster status --json")), &status); err != nil {
				t.Fatal(err)
			}
			rows = 0
			for _, m := range status.Machines {
				rows += m.Accounts
			}
			resp, text, err := browse(ctx, c.web(r), http.MethodGet, "https://"+clusterDomain+"/metrics")
			return err == nil && resp.StatusCode == http.StatusOK && strings.Contains(text, fmt.Sprintf("\naccounts %d\n", rows))
		})
		t.Logf("%s shows %d accounts", c.name(i), rows)
	}
}

// alerts makes all faults that there is an alert for, of the machines and their directory.
func (c *several) alerts(t *testing.T, w watcher) {
	// All containers have the clock of this machine: TestClusterClock makes that fault.
	all := slices.DeleteFunc(alertsOf(t, "chatmaild-cluster"), func(name string) bool { return name == clockAlert })
	w.clear(t, all...)
	const psql = "runuser -u postgres -- psql -Xqd chatmaild -c "
	writer := slices.IndexFunc(c.machines, func(r *Relay) bool {
		return strings.Contains(sh(t, r, "runuser -u postgres -- psql -XAtc 'SELECT pg_is_in_recovery()'"), "f")
	})
	n := len(c.machines)
	deaf, away := c.machines[(writer+n-1)%n], c.machines[(writer+1)%n]
	at, name := c.machines[writer], c.name((writer+1)%n)
	start := time.Now()
	sh(t, away, "systemctl stop chatmail-cluster.timer chatmail-cluster.service nginx.service")
	sh(t, at, psql+`"UPDATE machines SET version = '0', state = 'draining' WHERE name = '`+name+`'"`)
	sh(t, at, psql+`"SELECT pg_create_physical_replication_slot('forgotten', true)" >/dev/null`)
	w.scraped(t, "versions", "chatmaild_machine_versions == 2")
	// Nobody copies the writer any more, and its log grows.
	sh(t, deaf, "pkill -STOP -f '[w]alreceiver'")
	sh(t, away, "pkill -STOP -u postgres")
	sh(t, at, "for i in 1 2 3; do "+psql+`"SELECT pg_switch_wal() FROM pg_logical_emit_message(false, 'chatmaild', repeat('x', 1000000))" >/dev/null; done`)
	w.fire(t, start, all...)
	contains(t, "status", sh(t, at, "chatmaild cluster status"), "different versions of chatmaild", "cluster drain "+name)
	sh(t, away, "pkill -CONT -u postgres; systemctl start nginx.service chatmail-cluster.timer")
	sh(t, deaf, "pkill -CONT -f '[w]alreceiver'")
	sh(t, at, psql+`"SELECT pg_drop_replication_slot('forgotten')" >/dev/null && `+psql+`"UPDATE machines SET state = 'open' WHERE name = '`+name+`'"`)
	w.clear(t, all...)
}
