package metrics

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/applets/service/metric"
)

const (
	// tellTimeout is how long a daemon may take to tell its metrics.
	tellTimeout = time.Second
	// publicInterval is how often those that everybody may ask for are read.
	publicInterval = 10 * time.Second
)

// publicNames are the families that the web page shows, as the Python relay's did.
var publicNames = []string{"accounts", "ci_accounts", "nonci_accounts"}

// relayPrefix begins the names under which a machine tells the same of all machines of a relay.
const relayPrefix = "chatmaild_relay_"

// gatherer brings together what the daemons tell.
type gatherer struct {
	conf    *config.Config
	own     *metric.Set
	daemons []string
	up      *metric.Values
	took    *metric.Value

	mu       sync.Mutex
	public   []metric.Family
	publicAt time.Time
}

func newGatherer(own *metric.Set, conf *config.Config) *gatherer {
	daemons := conf.TellingDaemons()
	return &gatherer{
		conf: conf, own: own, daemons: daemons,
		up:   own.Gauge("chatmaild_up", "1 for each daemon that reports its metrics, 0 for one that does not", metric.Label{Name: "daemon", Values: daemons}),
		took: own.Gauge("chatmaild_gather_seconds", "Time to gather the metrics for the previous scrape").At(),
	}
}

// all returns the metrics of the whole relay.
func (g *gatherer) all(ctx context.Context) []metric.Family {
	start := time.Now()
	rare := config.OnDemandDaemons(g.conf)
	told := make([][]metric.Family, len(g.daemons)+len(rare))
	var asking sync.WaitGroup
	for i, name := range rare {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, tellTimeout)
			defer cancel()
			// One that does not run has nothing to tell.
			if families, err := service.ReadMetrics(ctx, g.conf.MetricsSocket(name)); err == nil {
				told[len(g.daemons)+i] = families
			}
		})
	}
	for i, name := range g.daemons {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, tellTimeout)
			defer cancel()
			families, err := service.ReadMetrics(ctx, g.conf.MetricsSocket(name))
			if err != nil {
				g.up.At(name).Set(0)
				return
			}
			g.up.At(name).Set(1)
			told[i] = families
		})
	}
	asking.Wait()
	all := metric.Merge(append([][]metric.Family{g.own.Families()}, told...)...)
	g.took.Set(time.Since(start).Seconds())
	return all
}

// forEverybody returns the public metrics, which are read again now and then.
func (g *gatherer) forEverybody(ctx context.Context, now time.Time) ([]metric.Family, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if age := now.Sub(g.publicAt); g.public != nil && age >= 0 && age < publicInterval {
		return g.public, nil
	}
	g.public = nil
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	families, err := service.ReadMetrics(ctx, g.conf.MetricsSocket("doveauth"))
	if err != nil {
		return nil, err
	}
	if config.Clustered(g.conf) {
		families = ofRelay(families)
	}
	g.public = slices.DeleteFunc(families, func(f metric.Family) bool { return !slices.Contains(publicNames, f.Name) })
	if len(g.public) == 0 {
		return nil, errNotCounted
	}
	g.publicAt = now
	return g.public, nil
}

var errNotCounted = errors.New("the accounts are not counted yet")

// ofRelay has what a machine tells of all machines in the place of what it tells of itself.
func ofRelay(families []metric.Family) (all []metric.Family) {
	for _, f := range families {
		if name, ok := strings.CutPrefix(f.Name, relayPrefix); ok {
			f.Name, f.Samples = name, strings.ReplaceAll(f.Samples, relayPrefix, "")
			all = append(all, f)
		}
	}
	return all
}

// handler answers /metrics with everything, and /public, which nginx asks for, with
// what everybody may know.
func (g *gatherer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		writeMetrics(w, r, g.all(r.Context()))
	})
	mux.HandleFunc("GET /public", func(w http.ResponseWriter, r *http.Request) {
		if !g.conf.PublicMetrics {
			http.NotFound(w, r)
			return
		}
		families, err := g.forEverybody(r.Context(), time.Now())
		if err != nil {
			http.Error(w, "the accounts are not counted right now", http.StatusServiceUnavailable)
			return
		}
		writeMetrics(w, r, families)
	})
	return mux
}

func writeMetrics(w http.ResponseWriter, r *http.Request, families []metric.Family) {
	format := metric.Accepted(r.Header.Get("Accept"))
	w.Header().Set("Content-Type", format.ContentType())
	w.Header().Set("Cache-Control", "no-store")
	// A scraper that has gone away needs no answer.
	_ = format.Write(w, families)
}
