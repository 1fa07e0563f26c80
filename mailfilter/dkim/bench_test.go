package dkim_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
)

// BenchmarkVerify verifies with a cached key. The floor is the bare hash of the
// body; spaces are what relaxed canonicalization has to look at one by one.
func BenchmarkVerify(b *testing.B) {
	header, _ := cut(message)
	for _, size := range []int{2 << 10, 5 << 20} {
		armor := strings.Repeat(strings.Repeat("a", 76)+"\r\n", size/78)
		b.Run(fmt.Sprintf("%dKiB/floor", size>>10), func(b *testing.B) {
			body := []byte(armor)
			b.ReportAllocs()
			for b.Loop() {
				sha256.Sum256(body)
			}
		})
		for name, body := range map[string]string{
			"armor": armor, "spaces": strings.Repeat("a b c d e f\r\n", size/13), "empty-lines": strings.Repeat("\r\n", size/2) + "x\r\n",
		} {
			for _, form := range []msgauth.Canonicalization{"simple", "relaxed"} {
				b.Run(fmt.Sprintf("%dKiB/%s/%s", size>>10, name, form), func(b *testing.B) {
					v := newVerifier(newZone().lookup, time.Now)
					text := signed(b, header+body, "rsa", func(o *msgauth.SignOptions) { o.BodyCanonicalization = form })
					head, body := []byte(text[:len(text)-len(body)]), []byte(body)
					b.ReportAllocs()
					for b.Loop() {
						m := v.Begin(head, author)
						for rest := body; len(rest) > 0; {
							n := min(len(rest), 32<<10) // as the proxy reads
							_, _ = m.Write(rest[:n])
							rest = rest[n:]
						}
						if err := m.Verify(); err != nil {
							b.Fatal(err)
						}
						m.Close()
					}
				})
			}
		}
	}
}
