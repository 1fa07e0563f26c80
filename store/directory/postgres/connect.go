package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// connect connects to the first of some servers that is as wanted, within a time. The next one is
// tried when the one before has failed, or has been silent for its share of that time. It may be slow
// only, as where all processors are busy, so it is not given up: whichever accepts is taken.
func connect(ctx context.Context, hosts []*pgconn.Config, within time.Duration) (*pgconn.PgConn, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	share := within / time.Duration(1+len(hosts))
	type result struct {
		conn *pgconn.PgConn
		err  error
	}
	results := make(chan result, len(hosts))
	tried := 0
	next := time.NewTimer(0)
	defer next.Stop()
	var errs []error
	for len(errs) < len(hosts) {
		select {
		case <-next.C:
			host := hosts[tried]
			go func() {
				conn, err := pgconn.ConnectConfig(ctx, host)
				results <- result{conn, err}
			}()
			if tried++; tried < len(hosts) {
				next.Reset(share)
			}
		case r := <-results:
			if r.err != nil {
				errs = append(errs, r.err)
				if tried < len(hosts) {
					next.Reset(0)
				}
				continue
			}
			cancel()
			for range tried - len(errs) - 1 { // those that end now
				if late := <-results; late.err == nil {
					_ = late.conn.Close(ctx)
				}
			}
			return r.conn, nil
		}
	}
	return nil, errors.Join(errs...)
}

// each returns the servers of a connection string one by one, which may name several.
func each(all *pgconn.Config) []*pgconn.Config {
	first := all.Copy()
	first.Fallbacks = nil
	hosts := []*pgconn.Config{first}
	for _, f := range all.Fallbacks {
		host := first.Copy()
		host.Host, host.Port, host.TLSConfig = f.Host, f.Port, f.TLSConfig
		hosts = append(hosts, host)
	}
	return hosts
}
