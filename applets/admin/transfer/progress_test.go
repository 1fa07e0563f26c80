package transfer

import (
	"testing"
	"time"

	"chatmaild/applets/admin/transfer/archive"
)

func TestProgressLine(t *testing.T) {
	p := Progress{what: "backup", total: 100, first: archive.State{Pieces: 50, Files: 1000, Bytes: 1 << 20}}
	now := archive.State{Pieces: 75, Files: 3000, Bytes: 11 << 20}
	const want = "backup: 3000 files, 11.0 MiB, 1.0 MiB/s, 200 files/s, 25 of 100 pieces, 30s left"
	if got := p.line(now, 10*time.Second); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p.Part = func() float64 { return 0.25 }
	const wantPart = "backup: 3000 files, 11.0 MiB, 1.0 MiB/s, 200 files/s, 25 %, 30s left"
	if got := p.line(now, 10*time.Second); got != wantPart {
		t.Errorf("got  %s\nwant %s", got, wantPart)
	}
}
