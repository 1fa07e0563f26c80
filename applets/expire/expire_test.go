package expire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatmaild/applets/command"
	"chatmaild/store/expire"
)

// expiryRelay is the configuration and the store of a relay without daemons.
type expiryRelay struct {
	*testing.T
	dir string
}

func newExpiryRelay(t *testing.T) expiryRelay {
	t.Helper()
	r := expiryRelay{t, t.TempDir()}
	r.write("chatmail.toml", fmt.Sprintf("mail_domain = \"x.test\"\nmailboxes_dir = %q\nstate_dir = %q\nmax_mailbox_size = \"1M\"\nmax_message_size = 70000\n",
		filepath.Join(r.dir, "mail"), r.dir))
	r.write("mail/a@x.test/password", "x")
	return r
}

func (r expiryRelay) write(path, text string) string {
	r.Helper()
	full := filepath.Join(r.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
	return full
}

// message writes one that came so many days ago.
func (r expiryRelay) message(days, n, size int) string {
	r.Helper()
	at := time.Now().AddDate(0, 0, -days).Add(time.Duration(n) * time.Second)
	path := r.write(fmt.Sprintf("mail/a@x.test/cur/%d.M%dP1.x,S=%d:2,S", at.Unix(), n, size), strings.Repeat("x", size))
	if err := os.Chtimes(path, at, at); err != nil {
		r.Fatal(err)
	}
	return path
}

func (r expiryRelay) run(args ...string) (status int, stdout, stderr string) {
	r.Helper()
	var out, err bytes.Buffer
	env := &command.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err, Getenv: func(string) string { return "" }}
	cmd := map[string]*command.Command{Command.Name: &Command, QuotaCommand.Name: &QuotaCommand}[args[0]]
	status = cmd.Execute(r.Context(), env, append(args[1:], "--config", filepath.Join(r.dir, "chatmail.toml")))
	return status, out.String(), err.String()
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestExpireCommand(t *testing.T) {
	r := newExpiryRelay(t)
	old, young := r.message(30, 1, 100), r.message(1, 2, 100)

	status, out, stderr := r.run("expire", "--dry-run")
	if status != command.StatusDone || !there(old) || there(filepath.Join(r.dir, "expire/expire.json")) {
		t.Errorf("dry run: status %d, the message is there %v\n%s", status, there(old), stderr)
	}
	if !strings.Contains(out, "old messages") || !strings.Contains(out, "100 B") {
		t.Errorf("dry run printed\n%s", out)
	}

	status, out, stderr = r.run("expire", "--json")
	var got struct {
		Deleted map[string]struct{ Count, Size int64 }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Deleted["old"].Count != 1 || got.Deleted["old"].Size != 100 {
		t.Errorf("got %+v, %v, from\n%s", got, err, out)
	}
	if status != command.StatusDone || there(old) || !there(young) {
		t.Errorf("status %d, old %v, young %v\n%s", status, there(old), there(young), stderr)
	}
	if !strings.Contains(stderr, "expiry finished") || strings.Contains(stderr, "a@x.test") {
		t.Errorf("want a summary without addresses, got\n%s", stderr)
	}
	if status, out, _ := r.run("expire"); status != command.StatusDone || out != "" {
		t.Errorf("from a timer: status %d, printed\n%s", status, out)
	}
}

// TestExpireFullMailbox: what quota-expire could not delete when Dovecot warned goes with
// the daily run, which says and records it.
func TestExpireFullMailbox(t *testing.T) {
	r := newExpiryRelay(t)
	var all []string
	for i := range 20 {
		all = append(all, r.message(2, i, 50_000))
	}
	_, out, _ := r.run("expire", "--dry-run")
	if want := "mailboxes above 70 % of max_mailbox_size: 1; still so, with mail of the last 24 hours: 0\n"; !strings.Contains(out, want) || !there(all[0]) {
		t.Errorf("the dry run printed\n%s\nwant %q", out, want)
	}
	status, _, stderr := r.run("expire")
	for i, path := range all {
		if there(path) != (i >= 6) {
			t.Errorf("message %d of 20 is there: %v", i, there(path))
		}
	}
	if status != command.StatusDone || !strings.Contains(stderr, "full=6") || !strings.Contains(stderr, "over=1") {
		t.Errorf("status %d, the log\n%s", status, stderr)
	}
	got, ok := expire.ReadRecord(filepath.Join(r.dir, "expire/expired.json"))
	if !ok || got.Deleted["full"].Count != 6 || got.Over != 1 || got.StillOver != 0 {
		t.Errorf("recorded: %+v, %v", got, ok)
	}
}

func TestExpireFaults(t *testing.T) {
	r := newExpiryRelay(t)
	old := r.message(30, 1, 100)
	undated := r.write("mail/a@x.test/cur/undated\xff", "x")
	if err := os.Chtimes(undated, time.Unix(-5, 0), time.Unix(-5, 0)); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := r.run("expire")
	if status != command.StatusFailed || there(old) || !there(undated) {
		t.Errorf("status %d, old %v, undated %v", status, there(old), there(undated))
	}
	if strings.Count(stderr, "dating a message") != 1 || strings.Contains(stderr, "a@x.test") {
		t.Errorf("want the fault once, and no address, got\n%s", stderr)
	}
	if _, _, stderr := r.run("expire", "--dry-run", "--debug"); !strings.Contains(stderr, "a@x.test") {
		t.Errorf("--debug does not name the mailbox:\n%s", stderr)
	}
}

func TestExpireClock(t *testing.T) {
	stamp := func(days int) string {
		return fmt.Sprintf(`{"last_run":%q}`, time.Now().AddDate(0, 0, days).Format(time.RFC3339))
	}
	// The last run as a clock knew it that was so many days behind since.
	set := func(days int) string {
		boot, uptime := bootClock()
		return fmt.Sprintf(`{"last_run":%q,"boot":%q,"uptime":%d}`, time.Now().AddDate(0, 0, -days).Format(time.RFC3339), boot, uptime)
	}
	tests := []struct {
		why, state string
		args       []string
		ok         bool
	}{
		{"set ahead by three days", set(3), nil, false},
		{"set ahead by three days, and an operator looked at the clock", set(3), []string{"--clock-is-right"}, true},
		{"set back by three days", set(-3), nil, true},
		{"three days ago, before the machine started", strings.Replace(set(3), `"boot":"`, `"boot":"x`, 1), nil, true},
		{"yesterday", stamp(-1), nil, true},
		{"a month ago", stamp(-30), nil, false},
		{"a month ago, for a dry run", stamp(-30), []string{"--dry-run"}, false},
		{"a month ago, and an operator looked at the clock", stamp(-30), []string{"--clock-is-right"}, true},
		{"in the future", stamp(30), nil, true},
		{"unreadable", "{", nil, false},
		{"unreadable, and an operator looked at the clock", "{", []string{"--clock-is-right"}, true},
	}
	for _, tt := range tests {
		r := newExpiryRelay(t)
		old := r.message(30, 1, 100)
		r.write("expire/expire.json", tt.state)
		status, _, stderr := r.run(append([]string{"expire"}, tt.args...)...)
		if (status == command.StatusDone) != tt.ok || there(old) == tt.ok {
			t.Errorf("%s: status %d, the message is there %v, want ok %v\n%s", tt.why, status, there(old), tt.ok, stderr)
		}
		if !tt.ok && !strings.Contains(stderr, "--clock-is-right") {
			t.Errorf("%s: it does not say how to continue:\n%s", tt.why, stderr)
		}
		if tt.ok {
			if status, _, stderr := r.run("expire"); status != command.StatusDone {
				t.Errorf("%s: the run after it: %s", tt.why, stderr)
			}
		}
	}
}

func TestExpireWithoutMailboxes(t *testing.T) {
	r := newExpiryRelay(t)
	if err := os.RemoveAll(filepath.Join(r.dir, "mail")); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := r.run("expire"); status != command.StatusDone {
		t.Errorf("status %d\n%s", status, stderr)
	}
}

func TestQuotaExpireCommand(t *testing.T) {
	r := newExpiryRelay(t)
	var all []string
	for i := range 20 {
		all = append(all, r.message(5, i, 50_000))
	}
	status, _, stderr := r.run("quota-expire", "a@x.test")
	// 70 % of 1 MiB is room for 14 of them.
	for i, path := range all {
		if there(path) != (i >= 6) {
			t.Errorf("message %d of 20 is there: %v", i, there(path))
		}
	}
	if status != command.StatusDone || strings.Contains(stderr, "a@x.test") {
		t.Errorf("status %d\n%s", status, stderr)
	}
	for want, args := range map[int][]string{
		command.StatusUsage:  {"quota-expire"},
		command.StatusFailed: {"quota-expire", "nobody@x.test"},
	} {
		if status, _, stderr := r.run(args...); status != want {
			t.Errorf("%v: status %d, want %d\n%s", args, status, want, stderr)
		}
	}
}

func TestProgressLine(t *testing.T) {
	tests := []struct {
		n, total int64
		elapsed  time.Duration
		want     string
	}{
		{0, 100, time.Second, "0 of 100 mailboxes"},
		{50, 200, 5 * time.Second, "50 of 200 mailboxes, 10 a second, 15s left"},
		{201, 200, time.Second, "201 of 200 mailboxes, 201 a second, 0s left"},
	}
	for _, tt := range tests {
		if got := progressLine(tt.n, tt.total, tt.elapsed); got != tt.want {
			t.Errorf("progressLine(%d, %d, %v) = %q, want %q", tt.n, tt.total, tt.elapsed, got, tt.want)
		}
	}
}
