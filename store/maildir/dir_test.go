package maildir

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func FuzzParseDirents(f *testing.F) {
	d, err := os.Open(".")
	if err != nil {
		f.Fatal(err)
	}
	defer d.Close()
	buf := make([]byte, 4096)
	n, err := unix.ReadDirent(int(d.Fd()), buf)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(buf[:n])
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := parseDirents(b, nil)
		if err == nil && len(entries) > len(b)/direntName {
			t.Fatalf("%d entries in %d bytes", len(entries), len(b))
		}
	})
}
