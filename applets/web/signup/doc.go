// Package signup answers what nginx cannot serve from files: /new, where accounts come
// from, and for relays with a self-signed certificate /new.svg, a QR code made for
// the one who looks at it.
//
// # POST /new
//
// Answers with the credentials of a fresh account, which the first login makes
// real. Nothing is stored, so an answer that nobody uses costs nothing:
//
//	200 {"email": "…", "password": "…"}          and, self-signed, "dclogin_url": "dclogin:…"
//	4xx, 5xx {"reason": "a sentence for the person who asked"}
//
// An invite's token is the query parameter t. The old path /cgi-bin/newemail.py does
// the same; clients do not follow redirects, and printed QR codes live long.
//
// # GET /new
//
// Sends a browser on to the app: to dcaccount:https://DOMAIN/new, which makes the app
// POST; or, on a self-signed relay, to a fresh dclogin: link, since the app verifies
// certificates when it asks /new, but not with the link's ic=3. Only POST uses an invite
// up, as messengers fetch the links they show: a self-signed relay answers a GET with an
// invite by a page whose button POSTs, with the parameter page, and gets the link and its
// QR code as a page.
//
// # GET /new.svg
//
// The QR code of a fresh dclogin: link, on self-signed relays only, without an invite.
// Drawing it here keeps the pages free of scripts, and no two visitors get the same
// picture.
package signup
