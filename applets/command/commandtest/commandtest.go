// Package commandtest runs a command in a test as the dispatcher does, with buffers
// for its surroundings.
package commandtest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/command"
)

// Config writes a configuration to a temporary directory and returns its path.
func Config(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chatmail.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Run runs c with args and the configuration at path, and returns what it printed.
func Run(t *testing.T, c command.Command, path string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	env := &command.Env{
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" },
	}
	run, positional, err := c.Parse(env, append([]string{"--config", path}, args...))
	if err == nil {
		err = run(t.Context(), env, positional)
	}
	return out.String(), errs.String(), err
}
