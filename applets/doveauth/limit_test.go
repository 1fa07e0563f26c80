package doveauth

import (
	"net/netip"
	"testing"
	"time"

	"chatmaild/auth"
)

// TestSharedLimit has the machine that counts know the client, and the one that asks the
// reason. It is the only one here.
func TestSharedLimit(t *testing.T) {
	policy := &auth.Policy{PerMinute: 3, PerNetworkPerHour: 2, PerNetworkPerDay: 100}
	conf := clusterConfig(t)
	conf.Cluster.Members = conf.Cluster.Members[1:]
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := newShared(conf, auth.NewRates(func() *auth.Policy { return policy }, func() time.Time { return now }))
	for i, tt := range []struct {
		client string
		want   auth.Reason
	}{
		{"192.0.2.1", auth.NotRefused},
		{"192.0.2.2", auth.NotRefused},
		{"192.0.2.3", auth.NetworkRate},
		{"", auth.NotRefused},
		{"2001:db8::1", auth.RelayRate},
	} {
		client, _ := netip.ParseAddr(tt.client)
		if got := s.Take(client); got != tt.want {
			t.Errorf("account %d, of %q: got %q, want %q", i, tt.client, got, tt.want)
		}
	}
}
