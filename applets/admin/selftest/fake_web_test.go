package selftest

import (
	"bufio"
	"fmt"
	"net"
	"net/http"

	"chatmaild/applets/admin/remote"
)

// web answers one request.
func (f *fake) web(conn net.Conn, secure bool) {
	r := bufio.NewReader(conn)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	if secure && req.URL.Path == "/relay" && !f.is("has no iroh relay") {
		f.apps(req, r, conn)
		return
	}
	status, kind, body := f.page(req, secure)
	location := ""
	if status/100 == 3 {
		location = "Location: https://" + f.domain + "/\r\n"
	}
	fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), kind, location, len(body), body)
}

func (f *fake) page(req *http.Request, secure bool) (status int, kind, body string) {
	if !secure {
		if f.is("has no redirection") {
			return 200, "text/html", "hello"
		}
		return 301, "text/html", ""
	}
	switch req.URL.Path {
	case "/":
		if !f.is("has no page") {
			return 200, "text/html; charset=utf-8", "<p>hello"
		}
	case "/new":
		return f.profile(req)
	case "/.well-known/autoconfig/mail/config-v1.1.xml":
		host := f.domain
		if f.is("names other servers") {
			host = "elsewhere.test"
		}
		return 200, "application/xml", fmt.Sprintf(`<?xml version="1.0"?><clientConfig><emailProvider>
			<incomingServer type="imap"><hostname>%[1]s</hostname><port>993</port></incomingServer>
			<outgoingServer type="smtp"><hostname>%[1]s</hostname><port>465</port></outgoingServer>
			</emailProvider></clientConfig>`, host)
	case "/mxdeliv":
		if !f.is("has no mxdeliv") {
			return 405, "text/plain", "502 5.5.1 Only POST works here"
		}
	case "/.well-known/mta-sts.txt":
		mode, mx := "enforce", f.domain
		if f.is("has another policy") {
			mx = "elsewhere.test"
		}
		if f.is("has a policy for tests") {
			mode = "testing"
		}
		return 200, "text/plain", fmt.Sprintf("version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: 86400\r\n", mode, mx)
	}
	return 404, "text/html", "no such page"
}

func (f *fake) profile(req *http.Request) (status int, kind, body string) {
	switch {
	case req.Method != http.MethodPost:
		return 405, "text/plain", "no"
	case f.is("gives no profiles"):
		return 403, "application/json", `{"reason":"not now"}`
	}
	a := remote.NewAccount(f.domain)
	if f.is("asks for invites") {
		if req.URL.Query().Get("t") != "token" {
			return 403, "application/json", `{"reason":"an invite is needed"}`
		}
		f.mu.Lock()
		f.users[a.Address] = &mailbox{password: a.Password}
		f.mu.Unlock()
	}
	if f.is("gives profiles of others") {
		a = remote.NewAccount("elsewhere.test")
	}
	return 200, "application/json", fmt.Sprintf(`{"email":%q,"password":%q}`, a.Address, a.Password)
}
