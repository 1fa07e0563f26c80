package selftest

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
)

// dialogue is one SMTP session of a fake.
type dialogue struct {
	*fake
	port   int
	conn   net.Conn
	r      *textproto.Reader
	secure bool

	user, sender, to string
}

func (f *fake) smtp(conn net.Conn, port int, secure bool) {
	d := &dialogue{fake: f, port: port, secure: secure}
	d.use(conn)
	d.say("220 fake")
	for {
		line, err := d.r.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		if !d.command(strings.ToUpper(verb), rest) {
			return
		}
	}
}

func (d *dialogue) use(conn net.Conn) {
	d.conn, d.r = conn, textproto.NewReader(bufio.NewReader(conn))
}

func (d *dialogue) say(reply string) { io.WriteString(d.conn, reply+"\r\n") }

// submission reports whether this is a port for users.
func (d *dialogue) submission() bool { return d.port != 25 }

// command answers one command, and reports whether the session continues.
func (d *dialogue) command(verb, rest string) bool {
	switch verb {
	case "EHLO":
		d.hello()
	case "STARTTLS":
		d.say("220 go")
		secure := tls.Server(d.conn, d.config(d.port))
		if secure.Handshake() != nil {
			return false
		}
		d.use(secure)
		d.secure = true
	case "AUTH":
		d.say(d.auth(strings.TrimPrefix(rest, "PLAIN ")))
	case "MAIL":
		d.say(d.mail(rest))
	case "RCPT":
		d.say(d.rcpt(rest))
	case "DATA":
		d.say("354 go")
		message, err := io.ReadAll(d.r.DotReader())
		if err != nil {
			return false
		}
		text := strings.ReplaceAll(string(message), "\n", "\r\n")
		if d.submission() {
			d.say(d.submit(d.sender, d.to, text))
		} else {
			d.say(d.stranger(d.to, text))
		}
	default:
		d.say("250 2.0.0 Ok")
	}
	return true
}

func (d *dialogue) hello() {
	d.say("250-fake")
	if !d.is("has no size limit") {
		d.say(fmt.Sprintf("250-SIZE %d", sizeLimit))
	}
	if !d.secure {
		d.say("250-STARTTLS")
	}
	d.say("250 8BITMIME")
}

func (d *dialogue) auth(argument string) string {
	if !d.secure && !d.is("lets in without TLS", d.port) {
		return "530 5.7.0 Must issue a STARTTLS command first"
	}
	plain, err := base64.StdEncoding.DecodeString(argument)
	parts := strings.Split(string(plain), "\x00")
	if err != nil || len(parts) != 3 || !d.login(parts[1], parts[2], d.port) {
		return "535 5.7.8 Error: authentication failed"
	}
	d.user = parts[1]
	return "235 2.7.0 Authentication successful"
}

func (d *dialogue) mail(rest string) string {
	path, parameters, _ := strings.Cut(strings.TrimPrefix(rest, "FROM:<"), ">")
	size, _ := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(parameters), "SIZE="))
	switch {
	case !d.secure && !d.is("takes mail without TLS"):
		return "530 5.7.0 Must issue a STARTTLS command first"
	case d.submission() && d.user == "":
		return "530 5.7.0 Authentication required"
	case size > sizeLimit && !d.is("takes any size"):
		return "552 5.3.4 Message size exceeds file system imposed limit"
	case d.submission() && d.tooFast(path):
		return "450 4.7.1: Too much mail from <x>"
	}
	d.sender = path
	return "250 2.1.0 Ok"
}

func (d *dialogue) rcpt(rest string) string {
	d.to = strings.Trim(strings.TrimPrefix(rest, "TO:"), "<>")
	switch {
	case d.submission() && d.sender != d.user && !d.is("takes foreign senders"):
		return "553 5.7.1 Sender address rejected"
	case !d.submission() && !strings.HasSuffix(d.to, "@"+d.domain) && !d.is("relays for all"):
		return "554 5.7.1 Relay access denied"
	}
	return "250 2.1.5 Ok"
}
