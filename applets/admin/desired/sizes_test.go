package desired

import (
	"testing"

	"chatmaild/applets/config"
)

// TestSizes holds that what there may be at most of everything fits into the memory, with
// some for the rest, and that large machines have what the configuration allows.
func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		gib                            int
		imap, incoming, one, hibernate int
	}{
		{0, 10000, 200, 20, 10}, // not known
		{1, 74, 49, 10, 1},
		{2, 149, 98, 10, 3},
		{4, 299, 197, 19, 7},
		{16, 1198, 200, 20, 10},
		{128, 9586, 200, 20, 10},
	} {
		v := sizes{config.Defaults(), Machine{Processors: 1, Memory: int64(tt.gib) << 30}}
		c := v.OtherRelays()
		got := []int{v.IMAPProcesses(), c.All, c.One, v.HibernateSeconds()}
		want := []int{tt.imap, tt.incoming, tt.one, tt.hibernate}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%d GiB: got %v, want %v", tt.gib, got, want)
				break
			}
		}
		if tt.gib == 0 {
			continue
		}
		kib := v.IMAPProcesses()*imapMemory + c.All*smtpdMemory + v.conf.MaxSMTPConnections*submissionMemory + v.fitting(v.conf.MaxIMAPConnections, sessionShare, sessionMemory)*sessionMemory
		if part := 100 * kib / (tt.gib << 20); part > 80 {
			t.Errorf("%d GiB: sessions can take %d %% of it", tt.gib, part)
		}
	}
	slow := config.Defaults()
	slow.IMAPInstantIdle = false
	if got := (sizes{slow, Machine{Processors: 1, Memory: 1 << 30}}).HibernateSeconds(); got != 30 {
		t.Errorf("without instant-idle.so sessions hibernate after %d s: mail may wake nobody", got)
	}
}

// TestGood holds that a machine as small as we ask for is said to be good for two
// thousand people, and that what is scarce is named.
func TestGood(t *testing.T) {
	for _, tt := range []struct {
		processors, gib int
		want            Capacity
	}{
		{1, 1, Capacity{2496, 26, "memory"}},
		{2, 1, Capacity{2496, 52, "memory"}},
		{1, 8, Capacity{4000, 26, "processors"}},
		{16, 64, Capacity{64000, 421, "processors"}},
	} {
		if got := Good(Machine{Processors: tt.processors, Memory: int64(tt.gib) << 30}); got != tt.want {
			t.Errorf("%d processors, %d GiB: got %+v, want %+v", tt.processors, tt.gib, got, tt.want)
		}
	}
}
