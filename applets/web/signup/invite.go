package signup

import (
	"bytes"
	"html/template"
	"net/http"
	"sync"

	"chatmaild/packaging/www/qrcode"
)

// confirmed is the query parameter by which the form of an invite's page says that a
// person pressed the button, and not an app that wants JSON.
const confirmed = "page"

// pages are what a browser shows of an invite on a self-signed relay: first a button,
// then the profile. Both look like the site, whose style sheet they use. They are parsed
// when first needed: this program is every daemon, and most never show one.
var pages = sync.OnceValue(func() *template.Template { return template.Must(template.New("").Parse(pagesText)) })

const pagesText = `{{define "head"}}<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{{.Host}}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<link rel="icon" type="image/svg+xml" href="/logo.svg">
<link rel="stylesheet" href="/main.css">
</head>
<body>
<main id="content">
<h1>{{.Host}}</h1>
{{end}}{{define "invite"}}{{template "head" .}}<p>You are invited to a profile on this relay. The invite is used up when you press the button.</p>
<form method="post" action="{{.Action}}"><p><button class="button" type="submit">Get a profile</button></p></form>
</main>
</body>
</html>
{{end}}{{define "profile"}}{{template "head" .}}<p>Open your new profile in the app, or scan the code with the app on another device.</p>
<p><a class="button" href="{{.Link}}">Open in the app</a></p>
<figure class="qr">{{.Code}}</figure>
</main>
</body>
</html>
{{end}}`

// invite shows a button. Looking at an invite must not use it up: messengers fetch each
// link for its preview.
func (h *handler) invite(w http.ResponseWriter, token string) {
	if h.Shown != nil {
		h.Shown()
	}
	h.page(w, "invite", struct{ Host, Action string }{h.Host, newPath + "?t=" + token + "&" + confirmed})
}

// profile shows fresh credentials to a person.
func (h *handler) profile(w http.ResponseWriter, c Credentials) {
	link := c.LoginLink(h.Host, h.Verified)
	code, err := qrcode.Encode(link)
	if err != nil {
		h.refuse(w, err)
		return
	}
	h.page(w, "profile", struct {
		Host string
		Link template.URL // html/template does not know the scheme
		Code template.HTML
	}{h.Host, template.URL(link), template.HTML(code.SVG())})
}

func (h *handler) page(w http.ResponseWriter, name string, values any) {
	var text bytes.Buffer
	if err := pages().ExecuteTemplate(&text, name, values); err != nil {
		h.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = text.WriteTo(w) // an error means that the browser is gone
}
