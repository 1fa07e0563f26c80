package routes

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	now := time.Unix(1_000_000, 0).UTC()
	table := &Table{Now: func() time.Time { return now }}
	table.Delivered("b", "https")
	now = now.Add(time.Minute)
	table.Delivered("b", "https")
	table.Failed("b", "no answer in time")
	table.Failed("a", "it refuses connections")

	socket := filepath.Join(t.TempDir(), "routes")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, table.List) }()
	list, err := Read(t.Context(), socket)
	if err != nil || len(list) != 2 {
		t.Fatalf("got %+v, %v", list, err)
	}
	a, b := list[0], list[1]
	if a.Host != "a" || a.Way != "" || a.Error != "it refuses connections" || !a.Failed.Equal(now) || a.Last != nil {
		t.Errorf("got %+v", a)
	}
	if b.Way != "https" || !b.Since.Equal(now.Add(-time.Minute)) || !b.Last.Equal(now) || b.Error != "no answer in time" {
		t.Errorf("got %+v", b)
	}
	table.Delivered("b", "smtp")
	if b := table.List()[1]; b.Way != "smtp" || !b.Since.Equal(now) {
		t.Errorf("after another way: %+v", b)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := Read(t.Context(), socket); err == nil {
		t.Error("without a transport: no error")
	}
}

func TestBound(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	table := &Table{Now: func() time.Time { return now }}
	for i := range maxHosts + 1 {
		now = now.Add(time.Second)
		table.Failed(fmt.Sprintf("host%05d", i), "x")
	}
	list := table.List()
	if len(list) != maxHosts/2+1 || list[0].Host != fmt.Sprintf("host%05d", maxHosts/2) {
		t.Errorf("%d hosts, from %s", len(list), list[0].Host)
	}
}
