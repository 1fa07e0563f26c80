// Package smuggle spells messages in which a text in the clear is hidden from a
// filter that reads them as encrypted, so that some mail program would show it. The
// unit tests of the filter and the lab try all of them, in both directions.
package smuggle

import "strings"

// Text is what each message tries to get through.
const Text = "Meet me at the old mill"

// Notice is what the notice of the honest report says: text in the clear that passes.
const Notice = "The mail for the old mill came back"

// A Message is one attempt.
type Message struct {
	Name   string
	Text   string // with CRLF
	Report bool   // it wants a null reverse-path
	Reply  string // how the reply to it has to begin
}

// The replies.
const (
	unencrypted = "523 Encryption Needed: Invalid Unencrypted Mail"
	badHeader   = "554 5.6.0 Invalid message header"
)

// letter is a message in pieces, each with its line ends.
type letter struct {
	top         string // fields before the Content-Type
	contentType string // its value
	before      string // the first delimiter
	version     string // header of the version part
	middle      string // content of the version part
	data        string // header of the data part
	armor       string
	after       string // the last delimiter
	boundary    string // of the delimiters
	body        string // instead of all of the above but the type
}

// The boundaries of the messages: the one that the filter sees, and the other one.
const (
	good = "good0f4b7f3e"
	evil = "evil0f4b7f3e"
)

const (
	protocol = `protocol="application/pgp-encrypted"`
	version  = "Content-Type: application/pgp-encrypted\r\n"
	data     = "Content-Type: application/octet-stream\r\n"
	text     = "Content-Type: text/plain; charset=utf-8\r\n\r\n" + Text + "\r\n"
	line     = Text + "\r\n"
)

// inside is a whole multipart with the other boundary that holds the text.
const inside = "--" + evil + "\r\n" + text + "--" + evil + "--\r\n"

func encrypted(armor string) letter {
	return letter{
		contentType: "multipart/encrypted; " + protocol + `; boundary="` + good + `"`,
		version:     version, middle: "Version: 1\r\n", data: data, armor: armor, boundary: good,
	}
}

func (l letter) render(from, to string) string {
	body := l.body
	if d := "--" + l.boundary; body == "" {
		body = l.before + d + "\r\n" + l.version + "\r\n" + l.middle + d + "\r\n" + l.data + "\r\n" + l.armor + d + "--\r\n" + l.after
	}
	return "From: <" + from + ">\r\nTo: <" + to + ">\r\nDate: Sat, 14 Nov 2026 09:30:00 +0000\r\n" +
		"Message-ID: <smuggle@mail.invalid>\r\nMIME-Version: 1.0\r\nChat-Version: 1.0\r\nSubject: [...]\r\n" +
		l.top + "Content-Type: " + l.contentType + "\r\n\r\n" + body
}

// Messages returns all attempts, as if written by one address to another. armor is an
// encrypted message with CRLF.
func Messages(from, to, armor string) []Message {
	var out []Message
	for _, list := range [][]attempt{types, parts, texts, requests, reports} {
		out = append(out, render(list, from, to, armor)...)
	}
	return out
}

// Honest returns the messages that the attempts are made of, without anything hidden:
// they pass.
func Honest(from, to, armor string) []Message { return render(honest, from, to, armor) }

var honest = []attempt{
	{name: "encrypted", change: func(*letter) {}},
	join("request", requestType, "", textType, request, ""),
	{name: "request in plain text", change: func(l *letter) { *l = plain(requestField, request) }},
	report("report", reportType, Notice+"\r\n", status+returned),
}

func render(list []attempt, from, to, armor string) (out []Message) {
	for _, a := range list {
		l := encrypted(armor)
		a.change(&l)
		reply := unencrypted
		if a.badHeader {
			reply = badHeader
		}
		out = append(out, Message{Name: strings.ReplaceAll(a.name, " ", "-"), Text: l.render(from, to), Report: a.report, Reply: reply})
	}
	return out
}

// attempt changes a good message.
type attempt struct {
	name      string
	change    func(*letter)
	report    bool
	badHeader bool
}
