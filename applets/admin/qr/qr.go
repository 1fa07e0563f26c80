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
	"slices"

	"chatmaild/applets/command"
	"chatmaild/applets/config"
	"chatmaild/applets/web/signup"
	"chatmaild/packaging/www"
	"chatmaild/packaging/www/qrcode"
)

// pngScale is the width of a module of --png, in pixels.
const pngScale = 12

// Command is chatmaild qr.
var Command = command.Command{
	Name: "qr", Kind: command.Admin,
	Synopsis: "shows the QR code for a profile on this relay",
	Description: `With --port the code has the credentials of a new account, and has the app use that
port alone, where a network blocks the usual ones: it is for one person.`,
	Examples: command.Examples{
		{"qr", "in the terminal"},
		{"qr --port 2053", "for a network that lets only that port through"},
		{"qr --invite TOKEN --png invite.png", "a picture, for an invite"},
	},
	Bind: func(fs *flag.FlagSet) command.Run {
		invite := fs.String("invite", "", "include the invite `TOKEN`")
		port := fs.Int("port", 0, "have the app use `PORT`, one of extra_ports")
		svg := fs.String("svg", "", "write the code to `FILE` as SVG, and print nothing")
		png := fs.String("png", "", "write the code to `FILE` as PNG, and print nothing")
		return command.Configured(func(ctx context.Context, env *command.Env, cfg *config.Config) error {
			code, link, err := profileCode(ctx, cfg, *invite, *port)
			if err != nil {
				return err
			}
			if *svg == "" && *png == "" {
				return show(env, code, link)
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
	code, link, err := profileCode(ctx, cfg, token, 0)
	if err != nil {
		return err
	}
	return show(env, code, link)
}

func show(env *command.Env, code *qrcode.Code, link string) error {
	_, err := fmt.Fprintf(env.Stdout, "%s\n%s\n", code.Text(command.IsTerminal(env.Stdout)), link)
	return err
}

// profileCode returns the QR code that gives a profile, and its link. token is an
// invite's, or ""; port is one of extra_ports, or 0.
func profileCode(ctx context.Context, cfg *config.Config, token string, port int) (*qrcode.Code, string, error) {
	if err := mayRegister(cfg, token); err != nil {
		return nil, "", err
	}
	if port != 0 && !slices.Contains(cfg.ExtraPorts, port) {
		return nil, "", command.Usagef("--port %d is not one of extra_ports, %v", port, cfg.ExtraPorts)
	}
	link, err := profileLink(ctx, cfg, token, port)
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

// profileLink returns the link that gives a profile. One of a self-signed relay, or with a
// port, carries fresh credentials, and these come from the web daemon, which alone knows who
// may have some.
func profileLink(ctx context.Context, cfg *config.Config, token string, port int) (string, error) {
	if port == 0 && !cfg.SelfSigned() {
		return www.AccountLink(config.Host(cfg), token), nil
	}
	answer, err := askLogin(ctx, cfg.Socket("web"), token)
	switch {
	case err != nil:
		return "", err
	case port == 0:
		return answer.LoginURL, nil
	case answer.LoginURL == "":
		answer.LoginURL = answer.LoginLink(config.Host(cfg), true)
	}
	return signup.AtPort(answer.LoginURL, config.Host(cfg), port), nil
}

// maxAnswer bounds what askLogin reads, in bytes.
const maxAnswer = 4 << 10

// login is what the web daemon answers.
type login struct {
	signup.Credentials
	LoginURL string `json:"dclogin_url"` // of a self-signed relay
	Reason   string `json:"reason"`
}

// askLogin gets credentials from the web daemon at socket.
func askLogin(ctx context.Context, socket, token string) (answer login, err error) {
	// The URL needs a host, which stands for nothing here.
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
	ask, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://web/new?t="+url.QueryEscape(token), nil)
	if err != nil {
		return answer, fmt.Errorf("asking for a profile: %w", err)
	}
	resp, err := client.Do(ask)
	if err != nil {
		return answer, command.WithHint(fmt.Errorf("asking the web daemon for a profile: %w", err),
			"is it running? systemctl status chatmaild-web")
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil {
		return answer, fmt.Errorf("reading the web daemon's answer: %w", err)
	}
	if answer.Email == "" {
		return answer, fmt.Errorf("no profile: %s", answer.Reason)
	}
	return answer, nil
}
