package command

import (
	"errors"
	"testing"
)

func TestSuggest(t *testing.T) {
	words := []string{"status", "run", "user", "queue", "qr", "on", "off"}
	for typed, want := range map[string]string{
		"stauts": "status", "statu": "status", "sttaus": "status", "xstatus": "status", "queu": "queue",
		"frobnicate": "", "": "", "maybe": "", "usr": "user", "no": "",
	} {
		if got := Suggest(typed, words); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", typed, got, want)
		}
	}
}

func TestSubcommand(t *testing.T) {
	for _, tt := range []struct {
		args            []string
		name, err, hint string
	}{
		{[]string{"hold", "example.org"}, "hold", "", ""},
		{nil, "", "missing subcommand: list, hold or flush", ""},
		{[]string{"holt"}, "", `unknown subcommand "holt": want list, hold or flush`, "did you mean hold?"},
		{[]string{"drop"}, "", `unknown subcommand "drop": want list, hold or flush`, ""},
	} {
		name, rest, err := Subcommand(tt.args, "list", "hold", "flush")
		if tt.err == "" {
			if err != nil || name != tt.name || len(rest) != len(tt.args)-1 {
				t.Errorf("%q: got %q, %q, %v", tt.args, name, rest, err)
			}
			continue
		}
		var hint *HintError
		if err == nil || err.Error() != tt.err || Status(err) != StatusUsage || errors.As(err, &hint) != (tt.hint != "") || hint != nil && hint.Hint != tt.hint {
			t.Errorf("%q: got %v, %+v, want %s, %s", tt.args, err, hint, tt.err, tt.hint)
		}
	}
}
