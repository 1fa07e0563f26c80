package maildir

import (
	"bytes"
	"fmt"
	"testing"
)

func TestParseName(t *testing.T) {
	tests := []struct {
		name string
		want Name
	}{
		{"1700000000.M123456P789.host,S=4711,W=4800:2,S", Name{1700000000, 4711}},
		{"1700000000.M123456P789.host,S=4711", Name{1700000000, 4711}},
		{"1700000000.M1P1.host,S=4711:2,", Name{1700000000, 4711}},
		{"1700000000.M1P1.host,W=4800,S=4711:2,", Name{1700000000, 4711}},
		{"1700000000.M1P1.host:2,S", Name{1700000000, -1}},
		{"1700000000.M1P1.host,S=", Name{1700000000, -1}},
		{"1700000000.M1P1.host,S=12x", Name{1700000000, -1}},
		{"1700000000.M1P1.host,S=-12", Name{1700000000, -1}},
		{"1700000000.M1P1.host,S=9999999999999999999", Name{1700000000, -1}},
		{"1700000000", Name{0, -1}},
		{"-1700000000.M1", Name{0, -1}},
		{"9999999999999999999.M1", Name{0, -1}},
		{"99999999999.M1P1.host", Name{99999999999, -1}},
		{"msg1,S=5", Name{0, 5}},
		{"\xff\xfe\n", Name{0, -1}},
		{"", Name{0, -1}},
	}
	for _, tt := range tests {
		if got := ParseName([]byte(tt.name)); got != tt.want {
			t.Errorf("ParseName(%q) = %v, want %v", tt.name, got, tt.want)
		}
	}
}

// FuzzParseName: what a name tells can be written and read back.
func FuzzParseName(f *testing.F) {
	f.Add([]byte("1700000000.M123456P789.host,S=4711,W=4800:2,S"))
	f.Add([]byte("1.,S=1,S=2"))
	f.Add([]byte("\xff,S=:"))
	f.Fuzz(func(t *testing.T, name []byte) {
		before := bytes.Clone(name)
		got := ParseName(name)
		if !bytes.Equal(before, name) {
			t.Fatal("ParseName changed its argument")
		}
		if got.Time < 0 || got.Size < -1 {
			t.Fatalf("ParseName(%q) = %v", name, got)
		}
		text := fmt.Sprintf("%d.x", got.Time)
		if got.Size >= 0 {
			text += fmt.Sprintf(",S=%d", got.Size)
		}
		if again := ParseName([]byte(text)); again != got {
			t.Fatalf("ParseName(%q) = %v, written and read back %v", name, got, again)
		}
	})
}

func BenchmarkParseName(b *testing.B) {
	name := []byte("1700000000.M123456P789.host.example.org,S=4711,W=4800:2,S")
	b.ReportAllocs()
	for b.Loop() {
		ParseName(name)
	}
}
