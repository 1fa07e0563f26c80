// Package qr shows the QR code by which people get a profile on this relay. A relay with
// a certificate has a link that every app can follow; a self-signed one has to put
// credentials into the code, and those come from the web daemon, which alone knows who
// may have some.
package qr

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/packaging/www"
	"chatmaild/packaging/www/qrcode"
)

// pngScale is the width of a module of --png, in pixels.
const pngScale = 12

// Command is chatmaild qr.
var Command = command.Command{
	Name: "qr", Kind: command.Admin,
	Synopsis: "shows the QR code for a profile on this relay",
	Examples: command.Examples{
		{"qr", "in the terminal"},
		{"qr --invite TOKEN --png invite.png", "a picture, for an invite"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		invite := fs.String("invite", "", "include the invite `TOKEN`")
		svg := fs.String("svg", "", "write the code to `FILE` as SVG, and print nothing")
		png := fs.String("png", "", "write the code to `FILE` as PNG, and print nothing")
		return command.Configured(func(ctx context.Context, env *command.Env, cfg *config.Config) error {
			if *svg == "" && *png == "" {
				return Show(ctx, env, cfg, *invite)
			}
			code, _, err := profileCode(ctx, cfg, *invite)
			if err != nil {
				return err
			}
			return writeCode(code, *svg, *png)
		})
	},
}

// mayRegister says why a code without more would let nobody in.
func mayRegister(cfg *config.Config, token string) error {
	switch kind := www.Registration(cfg.Registration); {
	case kind == www.Closed:
		return command.WithHint(errors.New("registration on this relay is closed"),
			`registration = "closed" in %s`, config.DefaultPath)
	case kind == www.Invite && token == "":
		return command.WithHint(errors.New("registration on this relay needs an invite"),
			"chatmaild qr --invite TOKEN")
	}
	return nil
}

// Show prints the QR code that gives a profile, for the terminal, and its link.
func Show(ctx context.Context, env *command.Env, cfg *config.Config, token string) error {
	code, link, err := profileCode(ctx, cfg, token)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "%s\n%s\n", code.Text(command.IsTerminal(env.Stdout)), link)
	return err
}

// profileCode returns the QR code that gives a profile, and its link. token is an
// invite's, or "".
func profileCode(ctx context.Context, cfg *config.Config, token string) (*qrcode.Code, string, error) {
	if err := mayRegister(cfg, token); err != nil {
		return nil, "", err
	}
	link, err := profileLink(ctx, cfg, token)
	if err != nil {
		return nil, "", err
	}
	code, err := qrcode.Encode(link)
	return code, link, err
}

// writeCode writes one or both pictures; nothing else is printed then.
func writeCode(code *qrcode.Code, svg, png string) error {
	if svg != "" {
		if err := os.WriteFile(svg, code.SVG(), 0o644); err != nil {
			return fmt.Errorf("writing the code: %w", err)
		}
	}
	if png != "" {
		data, err := code.PNG(pngScale)
		if err != nil {
			return err
		}
		if err := os.WriteFile(png, data, 0o644); err != nil {
			return fmt.Errorf("writing the code: %w", err)
		}
	}
	return nil
}

// profileLink returns the link that gives a profile. A self-signed relay's carries fresh
// credentials, and these come from the web daemon, which alone knows who may have some.
func profileLink(ctx context.Context, cfg *config.Config, token string) (string, error) {
	if !cfg.SelfSigned() {
		return www.AccountLink(config.Host(cfg), token), nil
	}
	return askLogin(ctx, cfg.Socket("web"), token)
}

// maxAnswer bounds what askLogin reads, in bytes.
const maxAnswer = 4 << 10

// askLogin gets a dclogin: link from the web daemon at socket.
func askLogin(ctx context.Context, socket, token string) (string, error) {
	// The URL needs a host, which stands for nothing here.
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
	ask, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://web/new?t="+url.QueryEscape(token), nil)
	if err != nil {
		return "", fmt.Errorf("asking for a profile: %w", err)
	}
	resp, err := client.Do(ask)
	if err != nil {
		return "", command.WithHint(fmt.Errorf("asking the web daemon for a profile: %w", err),
			"is it running? systemctl status chatmaild-web")
	}
	defer resp.Body.Close()
	var answer struct {
		LoginURL string `json:"dclogin_url"`
		Reason   string `json:"reason"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil {
		return "", fmt.Errorf("reading the web daemon's answer: %w", err)
	}
	if answer.LoginURL == "" {
		return "", fmt.Errorf("no profile: %s", answer.Reason)
	}
	return answer.LoginURL, nil
}
