package proxy

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"chatmaild/packaging/dovecot/authproto"
)

// auth does AUTH (RFC 4954) and reports whether to continue.
func (c *user) auth(args string) bool {
	mechanism, initial, _ := strings.Cut(args, " ")
	switch {
	case !c.greeted || c.login != "" || c.open:
		c.fail(sayOrder)
		return true
	case mechanism == "":
		c.fail(saySyntax)
		return true
	}
	var credentials authproto.Credentials
	var say string
	var err error
	switch strings.ToUpper(mechanism) {
	case authproto.Plain:
		credentials, say, err = c.plain(initial)
	case "LOGIN":
		credentials, say, err = c.nameAndPassword(initial)
	default:
		say = sayMechanism
	}
	switch {
	case err != nil:
		c.peer.say(c.lastWords(err))
		return false
	case say != "":
		c.fail(say)
		return true
	}
	c.check(credentials)
	return true
}

// plain reads a response of PLAIN (RFC 4616), or returns what to say against it.
func (c *user) plain(initial string) (credentials authproto.Credentials, say string, err error) {
	response := initial
	if initial == "" {
		if response, say, err = c.ask(sayResponse); say != "" || err != nil {
			return credentials, say, err
		}
	}
	credentials, err = authproto.ParsePlain(response)
	switch {
	case errors.Is(err, authproto.ErrBase64):
		return credentials, sayBase64, nil
	case err != nil:
		return credentials, sayWrong, nil
	}
	return credentials, "", nil
}

// nameAndPassword reads the responses of LOGIN, which is PLAIN in two parts (draft-murchison-sasl-login),
// or returns what to say against them.
func (c *user) nameAndPassword(initial string) (credentials authproto.Credentials, say string, err error) {
	name := initial
	if initial == "" {
		if name, say, err = c.ask(sayUser); say != "" || err != nil {
			return credentials, say, err
		}
	}
	password, say, err := c.ask(sayPassword)
	if say != "" || err != nil {
		return credentials, say, err
	}
	for _, part := range []struct {
		text string
		to   *string
	}{{name, &credentials.User}, {password, &credentials.Password}} {
		text, err := base64.StdEncoding.Strict().DecodeString(part.text)
		switch {
		case err != nil || strings.ContainsAny(part.text, "\r\n"):
			return credentials, sayBase64, nil
		case len(text) == 0 || strings.IndexByte(string(text), 0) >= 0:
			return credentials, sayWrong, nil
		}
		*part.to = string(text)
	}
	return credentials, "", nil
}

// ask returns the response to a challenge, or what to say to a client that gives up.
func (c *user) ask(challenge string) (response, say string, err error) {
	c.peer.say(challenge)
	line, err := c.peer.line()
	switch {
	case err != nil:
		return "", "", err
	case string(line) == "*":
		return "", sayCancelled, nil
	}
	return string(line), "", nil
}

// check answers a login.
func (c *user) check(credentials authproto.Credentials) {
	c.busy()
	login, ok, err := c.submission.opts.Auth.Login(context.Background(), credentials, c.client)
	var later authproto.TryLater
	switch {
	case errors.As(err, &later) && later != "" && printable(string(later)):
		c.notice(NotChecked)
		c.peer.say("454 4.7.0 " + string(later) + "\r\n")
	case err != nil:
		c.notice(NotChecked)
		c.peer.say(sayNotChecked)
	case !ok:
		c.notice(WrongPassword)
		c.fail(sayWrong)
	default:
		c.notice(LoggedIn)
		c.login = login
		c.peer.say(sayLoggedIn)
	}
}
