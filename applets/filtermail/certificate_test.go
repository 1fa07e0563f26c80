package filtermail

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chatmaild/testdata/kit/pki"
)

// TestCertificate follows a file: none, one, a broken one, another one.
func TestCertificate(t *testing.T) {
	pem := func(name string) string { return newPEM(t, name) }
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

// TestCertificateLater: a renewal that could not be read when it came, for lack of files, is
// read once it can be.
func TestCertificateLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "certificate.pem")
	if err := os.WriteFile(path, []byte(newPEM(t, "a.test")), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1234567, 0)
	c := newCertificate(path, slog.New(slog.DiscardHandler))
	c.now = func() time.Time { return now }
	withoutFiles(t, func() {
		if _, err := c.current(); err == nil {
			t.Error("the file could be read")
		}
	})
	now = now.Add(certificateInterval)
	if _, err := c.current(); err != nil {
		t.Errorf("got %v", err)
	}
}

// withoutFiles does something while no file can be opened.
func withoutFiles(t *testing.T, do func()) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	do()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

// newPEM is a key with its certificate.
func newPEM(t *testing.T, name string) string {
	t.Helper()
	cert, key, err := pki.NewPEM(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(key) + string(cert)
}
