package qr

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/service"
	"chatmaild/applets/web/signup"
	"chatmaild/packaging/www/qrcode"
)

// guest is a registration that knows one token.
type guest struct{}

func (guest) Register(_ context.Context, token string) (signup.Credentials, error) {
	if token == "bad" {
		return signup.Credentials{}, &signup.Refusal{Status: http.StatusForbidden, Reason: "Not invited."}
	}
	return signup.Credentials{Email: "abc@[192.0.2.17]", Password: "Secret" + token}, nil
}

// qr runs the command on a relay with that configuration, whose web daemon runs.
func qr(t *testing.T, conf string, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "chatmail.toml")
	if err := os.WriteFile(path, []byte(conf+"\nruntime_dir = \""+dir+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", cfg.Socket("web"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	h := signup.New(signup.Options{Host: cfg.MailDomain, SelfSigned: cfg.SelfSigned(), Registration: guest{}, Log: slog.New(slog.DiscardHandler)})
	go func() { ended <- service.ServeHTTP(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the web daemon: %v", err)
		}
	}()

	var out bytes.Buffer
	env := &command.Env{Stdout: &out, Getenv: func(string) string { return "" }}
	run, rest, err := Command.Parse(env, append([]string{"--config", path}, args...))
	if err != nil {
		t.Fatal(err)
	}
	err = run(ctx, env, rest)
	return out.String(), err
}

func TestQRShowsTheLink(t *testing.T) {
	const port = "\nextra_ports = [2053]"
	tests := []struct{ conf, args, want string }{
		{`mail_domain = "chat.example.org"`, "", "DCACCOUNT:https://chat.example.org/new"},
		{`mail_domain = "chat.example.org"`, "--invite Ab1", "DCACCOUNT:https://chat.example.org/new?t=Ab1"},
		{"mail_domain = \"chat.example.org\"\nregistration = \"invite\"", "--invite Ab1", "DCACCOUNT:https://chat.example.org/new?t=Ab1"},
		{`mail_domain = "192.0.2.17"`, "", "dclogin:abc@[192.0.2.17]?p=Secret&v=1&ih=192.0.2.17&sh=192.0.2.17&ic=3"},
		{"mail_domain = \"192.0.2.17\"\nregistration = \"invite\"", "--invite Ab1", "dclogin:abc@[192.0.2.17]?p=SecretAb1&v=1&ih=192.0.2.17&sh=192.0.2.17&ic=3"},
		{`mail_domain = "192.0.2.17"` + port, "--port 2053", "dclogin:abc@[192.0.2.17]?p=Secret&v=1&ih=192.0.2.17&sh=192.0.2.17&ic=3&ip=2053&is=ssl&sp=2053&ss=ssl"},
		{
			"mail_domain = \"example.org\"\nhostname = \"chat.example.org\"" + port, "--port 2053 --invite Ab1",
			"dclogin:abc@[192.0.2.17]?p=SecretAb1&v=1&ic=1&ih=chat.example.org&sh=chat.example.org&ip=2053&is=ssl&sp=2053&ss=ssl",
		},
	}
	for _, test := range tests {
		out, err := qr(t, test.conf, strings.Fields(test.args)...)
		if err != nil {
			t.Errorf("%s: %v", test.conf, err)
			continue
		}
		code, err := qrcode.Encode(test.want)
		if err != nil {
			t.Fatal(err)
		}
		if want := code.Text(false) + "\n" + test.want + "\n"; out != want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.conf, out, want)
		}
	}
}

func TestQRRefuses(t *testing.T) {
	for conf, want := range map[string]string{
		"mail_domain = \"chat.example.org\"\nregistration = \"invite\"": "needs an invite",
		"mail_domain = \"chat.example.org\"\nregistration = \"closed\"": "is closed",
	} {
		if out, err := qr(t, conf); err == nil || !strings.Contains(err.Error(), want) || out != "" {
			t.Errorf("%s: got %q, %v, want an error with %q", conf, out, err, want)
		}
	}
	if _, err := qr(t, `mail_domain = "192.0.2.17"`, "--port", "2053"); err == nil || !strings.Contains(err.Error(), "is not one of extra_ports, []") {
		t.Errorf("a port that is none: got %v", err)
	}
	if _, err := qr(t, `mail_domain = "192.0.2.17"`, "--invite", "bad"); err == nil || !strings.Contains(err.Error(), "Not invited.") {
		t.Errorf("refused invite: got %v", err)
	}
	_, err := askLogin(t.Context(), filepath.Join(t.TempDir(), "web.socket"), "")
	if hint := (*command.HintError)(nil); err == nil || !asHint(err, &hint) {
		t.Errorf("no daemon: got %v, want an error with a hint", err)
	}
}

func asHint(err error, hint **command.HintError) bool {
	h, ok := err.(*command.HintError)
	*hint = h
	return ok
}

func TestQRWritesPictures(t *testing.T) {
	dir := t.TempDir()
	svg, png := filepath.Join(dir, "qr.svg"), filepath.Join(dir, "qr.png")
	out, err := qr(t, `mail_domain = "chat.example.org"`, "--svg", svg, "--png", png)
	if err != nil || out != "" {
		t.Errorf("got %q, %v", out, err)
	}
	for path, want := range map[string]string{svg: "<svg ", png: "\x89PNG"} {
		if data, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(data), want) {
			t.Errorf("%s: %.20q, %v, want it to begin with %q", path, data, err, want)
		}
	}
}
