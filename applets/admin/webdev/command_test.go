package webdev

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/command"
	"chatmaild/packaging/www"
)

// webdevRun runs the command and returns its error once it ends.
func webdevRun(ctx context.Context, t *testing.T, stdout io.Writer, args ...string) error {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "chatmail.toml")
	if err := os.WriteFile(conf, []byte(`mail_domain = "192.0.2.17"`), 0o600); err != nil {
		t.Fatal(err)
	}
	env := &command.Env{Stdout: stdout, Stderr: io.Discard, Getenv: func(string) string { return "" }}
	run, rest, err := Command.Parse(env, append([]string{"--config", conf, "--listen", "127.0.0.1:0"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	return run(ctx, env, rest)
}

func TestWebdevServes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pages")
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- webdevRun(ctx, t, w, "--copy", "info.md", dir) }()
	url, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url = strings.TrimSpace(url)
	for path, want := range map[string]string{
		"":          "Get a profile",
		"info.html": "About this relay",
		"new.svg":   "<svg ",
	} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !bytes.Contains(body, []byte(want)) {
			t.Errorf("/%s: %d, %v, lacks %q", path, resp.StatusCode, err, want)
		}
	}
	copied, err := os.ReadFile(filepath.Join(dir, "info.md"))
	ours, shippedErr := www.Shipped("info.md")
	if err != nil || shippedErr != nil || !bytes.Equal(copied, ours) {
		t.Errorf("the copy is not ours: %v, %v", err, shippedErr)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestWebdevRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "info.md"), []byte("# Mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	usage, hint := &command.UsageError{}, &command.HintError{}
	for _, test := range []struct {
		args []string
		as   any // nil: any error
	}{
		{[]string{dir, dir}, &usage},
		{[]string{filepath.Join(dir, "no-such-directory")}, &hint},
		{[]string{"--copy", "no-such-page.md", dir}, &hint},
		{[]string{"--copy", "index.md"}, &usage},
		{[]string{"--copy", "info.md", dir}, nil},
	} {
		err := webdevRun(t.Context(), t, io.Discard, test.args...)
		if err == nil || test.as != nil && !errors.As(err, test.as) {
			t.Errorf("%q: got %v, want %T", test.args, err, test.as)
		}
	}
	if mine, err := os.ReadFile(filepath.Join(dir, "info.md")); err != nil || string(mine) != "# Mine\n" {
		t.Errorf("the operator's page is now %q, %v", mine, err)
	}
}
