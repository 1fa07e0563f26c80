package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/admin/report"
	"chatmaild/applets/command"
)

// TestReportCommand reports on a store, twice: the second report tells what has grown.
func TestReportCommand(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	message := func(n, size int) {
		t.Helper()
		at := time.Now().AddDate(0, 0, -3).Add(time.Duration(n) * time.Second)
		path := write(fmt.Sprintf("mail/a@x.test/cur/%d.M%dP1.x,S=%d:2,S", at.Unix(), n, size), strings.Repeat("x", size))
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (status int, stdout, stderr string) {
		t.Helper()
		var out, err bytes.Buffer
		env := &command.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err, Getenv: func(string) string { return "" }}
		status = report.Command.Execute(t.Context(), env, append(args, "--config", filepath.Join(dir, "chatmail.toml")))
		return status, out.String(), err.String()
	}
	write("chatmail.toml", fmt.Sprintf("mail_domain = \"x.test\"\nmailboxes_dir = %q\nstate_dir = %q\n", filepath.Join(dir, "mail"), dir))
	write("mail/a@x.test/password", "x")
	message(1, 100)
	textfile := filepath.Join(dir, "chatmaild.prom")
	status, out, stderr := run("--prometheus", textfile)
	if status != command.StatusDone || !strings.Contains(out, "last login") {
		t.Errorf("status %d\n%s%s", status, out, stderr)
	}
	text, err := os.ReadFile(textfile)
	if err != nil || !strings.Contains(string(text), "chatmaild_messages_by_age{age_days_from=\"1\"} 1\n") {
		t.Errorf("%v, got\n%s", err, text)
	}
	message(2, 50)
	_, out, _ = run("--json")
	var got struct {
		Accounts int
		Messages struct{ Count, Size int64 }
		Growth   struct{ Messages struct{ Count, Size int64 } }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Accounts != 1 || got.Messages.Size != 150 || got.Growth.Messages.Size != 50 {
		t.Errorf("got %+v, %v, from\n%s", got, err, out)
	}
}
