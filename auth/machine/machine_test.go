package machine

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestParseLoad(t *testing.T) {
	for _, tt := range []struct {
		text string
		want float64
		ok   bool
	}{
		{"0.52 0.58 0.59 1/257 12345\n", 0.52, true},
		{"55.38 33.84 20.80 3/900 1\n", 55.38, true},
		{"", 0, false},
		{"high 1 2", 0, false},
		{"-1 1 2", 0, false},
	} {
		if got, err := parseLoad(tt.text); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("parseLoad(%q) = %v, %v", tt.text, got, err)
		}
	}
}

func TestParseMemory(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"MemTotal:       24682744 kB\nMemFree:         1000 kB\nMemAvailable:   24246000 kB\nBuffers: 1 kB\n", 24246000 << 10, true},
		{"MemAvailable: 0 kB", 0, true},
		{"MemTotal: 1 kB\n", 0, false},
		{"MemAvailable: much kB\n", 0, false},
		{"MemAvailable: -1 kB\n", 0, false},
		{"MemAvailable: 9999999999999999999 kB\n", 0, false},
		{"", 0, false},
	} {
		if got, err := parseMemory(tt.text, "MemAvailable"); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("parseMemory(%q) = %v, %v", tt.text, got, err)
		}
	}
}

// TestMemory holds that a container's limit counts, and a lack of one does not.
func TestMemory(t *testing.T) {
	if n, err := Memory(); err != nil || n < 1<<26 {
		t.Errorf("this machine has %d bytes of memory, %v", n, err)
	}
	for text, want := range map[string]int64{"max\n": 1 << 40, "1073741824\n": 1 << 30, "2199023255552\n": 1 << 40, "": 1 << 40} {
		if got := atMost(1<<40, text); got != want {
			t.Errorf("limit %q: got %d, want %d", text, got, want)
		}
	}
}

func TestState(t *testing.T) {
	dir := t.TempDir()
	now := time.Unix(1e9, 0)
	m := &Machine{Mailboxes: dir, NoCreate: filepath.Join(dir, "nocreate"), Now: func() time.Time { return now }}
	s, err := m.State()
	if err != nil || s.Memory <= 0 || s.Disk <= 0 || s.Load < 0 || s.Forbidden {
		t.Fatalf("got %+v, %v", s, err)
	}
	// What was measured holds for a second; the file is looked for each time.
	m.last.Load = 12345
	if err := os.WriteFile(m.NoCreate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := m.State(); err != nil || s.Load != 12345 || !s.Forbidden {
		t.Errorf("at once: %+v, %v", s, err)
	}
	now = now.Add(fresh)
	if s, err := m.State(); err != nil || s.Load == 12345 {
		t.Errorf("a second later: %+v, %v", s, err)
	}
	m.last.Load = 12345
	now = now.Add(-time.Hour)
	if s, err := m.State(); err != nil || s.Load == 12345 {
		t.Errorf("after the clock was set back: %+v, %v", s, err)
	}
	os.Remove(m.NoCreate)
	if s, err := m.State(); err != nil || s.Forbidden {
		t.Errorf("without the file: %+v, %v", s, err)
	}
	m.Mailboxes = filepath.Join(dir, "missing")
	now = now.Add(time.Hour)
	if _, err := m.State(); err == nil {
		t.Error("a missing directory has no error")
	}
}

// TestSysinfo compares the two ways. Between them a load of 1 can come or go, and memory that
// sysinfo(2) does not count is that of the page cache.
func TestSysinfo(t *testing.T) {
	load, memory, err := sysinfo()
	if err != nil {
		t.Fatal(err)
	}
	want, available, err := readProc()
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(load-want) > 1 {
		t.Errorf("the load is %v, and by /proc %v", load, want)
	}
	if memory <= 0 || memory > available+available/10 {
		t.Errorf("%d bytes are free, and by /proc %d available", memory, available)
	}
}
