package command

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"chatmaild/applets/config"
)

// sample is a command with a flag of each kind.
func sample(got *string) *Command {
	return &Command{
		Name: "sample", Args: "[WORD ...]", Synopsis: "says words",
		Description: "They may be any.\n\nNobody answers.",
		Examples:    Examples{{"sample hello", "be polite"}, {"sample --times 9", "be tiresome"}},
		Bind: func(fs *flag.FlagSet) Run {
			loud := fs.Bool("loud", false, "say them loudly")
			times := fs.Int("times", 2, "say them `n` times")
			return func(_ context.Context, env *Env, args []string) error {
				*got = fmt.Sprintf("%s debug=%v loud=%v times=%d %q", env.ConfigPath, env.Debug, *loud, *times, args)
				return nil
			}
		},
	}
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		args, config, want string
	}{
		{"", "", `/etc/chatmail/chatmail.toml debug=false loud=false times=2 []`},
		{"", "/c", `/c debug=false loud=false times=2 []`},
		{"--config /d", "/c", `/d debug=false loud=false times=2 []`},
		{"--config=/d a", "", `/d debug=false loud=false times=2 ["a"]`},
		{"-loud a b", "/c", `/c debug=false loud=true times=2 ["a" "b"]`},
		{"a --loud b", "/c", `/c debug=false loud=true times=2 ["a" "b"]`},
		{"a b --times 3 --debug", "/c", `/c debug=true loud=false times=3 ["a" "b"]`},
		{"--loud=false --times=3", "/c", `/c debug=false loud=false times=3 []`},
		{"a -- --loud b", "/c", `/c debug=false loud=false times=2 ["a" "--loud" "b"]`},
		{"-- a", "/c", `/c debug=false loud=false times=2 ["a"]`},
		{"a - b", "/c", `/c debug=false loud=false times=2 ["a" "-" "b"]`},
		{"a --loud --", "/c", `/c debug=false loud=true times=2 ["a"]`},
	} {
		var got string
		env := &Env{Getenv: func(string) string { return test.config }}
		run, args, err := sample(&got).Parse(env, strings.Fields(test.args))
		if err != nil {
			t.Errorf("%q: %v", test.args, err)
			continue
		}
		if err := run(t.Context(), env, args); err != nil {
			t.Fatal(err)
		}
		if got = strings.Replace(got, "[]string{}", "[]", 1); got != test.want {
			t.Errorf("%q:\n got %s\nwant %s", test.args, got, test.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for args, want := range map[string]string{
		"--quiet":         "unknown flag --quiet",
		"a -quiet":        "unknown flag --quiet",
		"--times":         "missing value of --times",
		"--times x":       `invalid value "x" of --times: parse error`,
		"--loud=possibly": `invalid value "possibly" of --loud: parse error`,
		"--=x":            "bad flag syntax: --=x",
	} {
		var got string
		_, _, err := sample(&got).Parse(&Env{Getenv: os.Getenv}, strings.Fields(args))
		if err == nil || err.Error() != want || Status(err) != StatusUsage {
			t.Errorf("%q: got %v with status %d, want %s with %d", args, err, Status(err), want, StatusUsage)
		}
	}
	var got string
	_, _, err := sample(&got).Parse(&Env{Getenv: os.Getenv}, []string{"--luod"})
	var hint *HintError
	if !errors.As(err, &hint) || hint.Hint != "did you mean --loud?" {
		t.Errorf("--luod: got %v, %+v", err, hint)
	}
	for _, args := range []string{"-h", "--help", "a --help"} {
		var got string
		if _, _, err := sample(&got).Parse(&Env{Getenv: os.Getenv}, strings.Fields(args)); !errors.Is(err, ErrHelp) {
			t.Errorf("%q: got %v, want ErrHelp", args, err)
		}
	}
}

func TestUsage(t *testing.T) {
	var out bytes.Buffer
	var ran string
	sample(&ran).Usage(&out)
	want := `usage: chatmaild sample [flags] [WORD ...]

Says words.

They may be any.

Nobody answers.

examples:
  chatmaild sample hello      # be polite
  chatmaild sample --times 9  # be tiresome

flags:
  --config FILE            read the configuration from FILE (default /etc/chatmail/chatmail.toml)
  --debug                  log more; the log may then hold addresses
  --loud                   say them loudly
  --times n                say them n times (default 2)
`
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if ran != "" {
		t.Error("help ran the command")
	}
}

func TestStatus(t *testing.T) {
	fault := errors.New("fault")
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, StatusDone},
		{context.Canceled, StatusDone},
		{fault, StatusFailed},
		{ErrFound, StatusFailed},
		{fmt.Errorf("checking: %w", ErrFound), StatusFailed},
		{Usagef("no %s", "words"), StatusUsage},
		{fmt.Errorf("parsing: %w", Usagef("no words")), StatusUsage},
		{&config.Error{Path: "/c", Text: "bad"}, StatusUsage},
		{WithHint(&config.Error{Path: "/c"}, "fix it"), StatusUsage},
		{WithHint(fault, "try again"), StatusFailed},
	} {
		if got := Status(test.err); got != test.want {
			t.Errorf("Status(%v): got %d, want %d", test.err, got, test.want)
		}
	}
}

func TestWithHint(t *testing.T) {
	fault := errors.New("fault")
	err := fmt.Errorf("doing: %w", WithHint(fault, "try %d times", 2))
	var hint *HintError
	if !errors.As(err, &hint) || hint.Hint != "try 2 times" {
		t.Errorf("got %v, want the hint", hint)
	}
	if !errors.Is(err, fault) || err.Error() != "doing: fault" {
		t.Errorf("got %v, want the fault itself, without the hint", err)
	}
}

func TestLog(t *testing.T) {
	for _, test := range []struct {
		journal string
		debug   bool
		want    []string
	}{
		{"8:1234", false, []string{"<6>msg=told"}},
		{"8:1234", true, []string{"<7>msg=whispered", "<6>msg=told"}},
	} {
		var out bytes.Buffer
		env := &Env{Stderr: &out, Debug: test.debug, Getenv: func(string) string { return test.journal }}
		env.Log().Debug("whispered")
		env.Log().Info("told")
		if got := strings.Split(strings.TrimSpace(out.String()), "\n"); !slices.Equal(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestIsTerminal(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if IsTerminal(file) || IsTerminal(&bytes.Buffer{}) {
		t.Error("a file or a buffer is taken for a terminal")
	}
}
