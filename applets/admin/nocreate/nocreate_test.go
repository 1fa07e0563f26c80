package nocreate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/command"
	"chatmaild/applets/command/commandtest"
)

func TestNocreate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nocreate")
	conf := commandtest.Config(t, fmt.Sprintf("mail_domain = \"chat.example\"\nnocreate_file = %q\n", file))
	for _, tt := range []struct {
		arg  string
		want bool
	}{{"status", false}, {"on", true}, {"on", true}, {"status", true}, {"off", false}, {"off", false}} {
		out, _, err := commandtest.Run(t, Command, conf, "--json", tt.arg)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("{\n  \"nocreate\": %t\n}\n", tt.want); out != want {
			t.Errorf("%s: %q, want %q", tt.arg, out, want)
		}
		if _, err := os.Stat(file); (err == nil) != tt.want {
			t.Errorf("%s: the file: %v", tt.arg, err)
		}
	}
	for _, args := range []string{"", "maybe", "on off"} {
		if _, _, err := commandtest.Run(t, Command, conf, strings.Fields(args)...); command.Status(err) != command.StatusUsage {
			t.Errorf("%q: %v", args, err)
		}
	}
}
