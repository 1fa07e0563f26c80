package snapshot

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"chatmaild/applets/admin/transfer/archive"
)

// The relay of the benchmark: many small files, as chats are.
const (
	benchMailboxes = 200
	benchMessages  = 100
	benchSize      = 3 << 10
)

// BenchmarkBackup reads a relay whose files the machine has in memory; tar, whose output
// goes through a pipe to nowhere, is the floor.
func BenchmarkBackup(b *testing.B) {
	m := machine{b, b.TempDir()}
	m.put(configPath, "mail_domain = \""+domain+"\"\n")
	text := strings.Repeat("x", benchSize)
	for i := range benchMailboxes {
		for j := range benchMessages {
			m.put(mail(fmt.Sprintf("user%03d", i), fmt.Sprintf("cur/17000%05d.M1P1.host,S=%d:2,S", j, benchSize)), text)
		}
	}
	report := func(b *testing.B) {
		b.SetBytes(benchMailboxes * benchMessages * benchSize)
		b.ReportMetric(float64(b.N)*benchMailboxes*benchMessages/b.Elapsed().Seconds(), "files/s")
	}
	b.Run("tar", func(b *testing.B) {
		for b.Loop() {
			if out, err := exec.Command("sh", "-c", "tar -C "+m.root+" -c . | cat >/dev/null").CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
		report(b)
	})
	b.Run("backup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w := archive.NewWriter(io.Discard, "ID")
			if err := m.source().Write(b.Context(), w, Options{Head: newHead(false), Done: nothing}); err != nil {
				b.Fatal(err)
			}
		}
		report(b)
	})
}
