package filtermail

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/testdata/kit/pki"
)

// TestCertificate follows a file: none, one, a broken one, another one.
func TestCertificate(t *testing.T) {
	pem := func(name string) string {
		cert, key, err := pki.NewPEM(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(key) + string(cert)
	}
	path := filepath.Join(t.TempDir(), "certificate.pem")
	now := time.Unix(1234567, 0)
	var log bytes.Buffer
	c := newCertificate(path, slog.New(slog.NewTextHandler(&log, nil)))
	c.now = func() time.Time { return now }
	for _, step := range []struct {
		content, want string // want: the name in the certificate; "": none
		errors        int    // in the log
	}{
		{"", "", 1},
		{"", "", 1},
		{pem("a.test"), "a.test", 1},
		{"no PEM", "a.test", 2},
		{"no PEM", "a.test", 2},
		{pem("b.test"), "b.test", 2},
	} {
		if step.content != "" {
			if err := os.WriteFile(path+".new", []byte(step.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
		}
		before, _ := c.current()
		if again, _ := c.current(); again != before {
			t.Error("the file is looked at each time")
		}
		now = now.Add(certificateInterval)
		got := ""
		if pair, err := c.current(); err == nil {
			got = pair.Leaf.DNSNames[0]
		}
		if n := strings.Count(log.String(), "level=ERROR"); got != step.want || n != step.errors {
			t.Errorf("%.12q: got %q with %d errors, want %q with %d", step.content, got, n, step.want, step.errors)
		}
	}
	if strings.Contains(log.String(), "PRIVATE") {
		t.Errorf("the log has the key:\n%s", log.String())
	}
}
