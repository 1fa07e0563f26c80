package service

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"chatmaild/applets/service/metric"
)

// fetchTimeout is how long the metrics daemon may take to gather everything.
const fetchTimeout = 5 * time.Second

// FetchMetrics asks the metrics daemon behind a socket for those of the whole relay.
func FetchMetrics(ctx context.Context, socket string) ([]metric.Family, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", socket)
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://metrics/metrics", nil)
	if err != nil {
		return nil, fmt.Errorf("asking the metrics daemon: %w", err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("asking the metrics daemon: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking the metrics daemon: it answered %s", response.Status)
	}
	return metric.Read(response.Body)
}
