package invite

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/command"
	"chatmaild/applets/command/commandtest"
)

func TestInviteCommand(t *testing.T) {
	dir := t.TempDir()
	conf := commandtest.Config(t, fmt.Sprintf("mail_domain = \"chat.example\"\nstate_dir = %q\n", dir))
	run := func(args ...string) (string, error) {
		out, _, err := commandtest.Run(t, Command, conf, args...)
		return out, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "invites"), 0o750); err != nil {
		t.Fatal(err)
	}
	out, err := run("create", "--uses", "3", "--days", "2", "--note", "friends", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var made newInvite
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.URL != "https://chat.example/new?t="+made.Token || made.Uses != 3 {
		t.Errorf("create: %s, %v", out, err)
	}
	out, err = run("list")
	if err != nil || !strings.Contains(out, made.ID) || !strings.Contains(out, "friends") || strings.Contains(out, made.Token) {
		t.Errorf("list: %s, %v", out, err)
	}
	if _, err := run("revoke", made.ID); err != nil {
		t.Error(err)
	}
	if out, err := run("list", "--json"); err != nil || out != "[]\n" {
		t.Errorf("list of nothing: %q, %v", out, err)
	}
	for args, want := range map[string]int{
		"":                      command.StatusUsage,
		"create --uses 0":       command.StatusUsage,
		"create --days 99999":   command.StatusUsage,
		"create now":            command.StatusUsage,
		"revoke":                command.StatusUsage,
		"revoke " + made.ID:     command.StatusFailed,
		"frobnicate everything": command.StatusUsage,
	} {
		if _, err := run(strings.Fields(args)...); command.Status(err) != want {
			t.Errorf("invite %s: %v, want status %d", args, err, want)
		}
	}
}
