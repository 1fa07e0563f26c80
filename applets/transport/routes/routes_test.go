package routes

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/kit/unixsocket"
)

func TestTable(t *testing.T) {
	now := time.Unix(1_000_000, 0).UTC()
	table := &Table{Now: func() time.Time { return now }}
	table.Delivered("b", "https")
	now = now.Add(time.Minute)
	table.Delivered("b", "https")
	table.Failed("b", "no answer in time")
	table.Failed("a", "it refuses connections")

	socket, stop := unixsocket.Serve(t, Server{Transport: known{table}, Log: slog.New(slog.DiscardHandler)}.Serve)
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
	var hosts []string
	if err := ask(t.Context(), socket, "retry b.example", &hosts); err != nil || strings.Join(hosts, " ") != "mx.b.example" {
		t.Errorf("retry: got %q, %v", hosts, err)
	}
	if err := Retry(t.Context(), socket, "b.example"); err != nil {
		t.Error(err)
	}
	for _, request := range []string{"", "routes", strings.Repeat("x", maxRequest)} {
		if err := ask(t.Context(), socket, request, &hosts); err == nil {
			t.Errorf("%q: no error", request)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := Read(t.Context(), socket); err == nil {
		t.Error("without a transport: no error")
	}
	if err := Retry(t.Context(), socket, "b.example"); err != nil {
		t.Errorf("without a transport, which would know nothing: %v", err)
	}
}

// known is a Transport with a table, and one host for each domain.
type known struct{ *Table }

func (k known) Routes() []Route { return k.List() }

func (known) Retry(_ context.Context, domain string) []string { return []string{"mx." + domain} }

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
